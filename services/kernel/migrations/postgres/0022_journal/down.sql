UPDATE journal SET seq = moved.last
FROM (
  SELECT run_id, seq, COALESCE(
    LEAD(seq) OVER (PARTITION BY run_id ORDER BY seq) - 1, (SELECT runs.seq FROM runs WHERE runs.id = journal.run_id)
  ) AS last FROM journal
) AS moved
WHERE moved.run_id = journal.run_id AND moved.seq = journal.seq AND moved.last <> journal.seq;
