-- `seq` becomes that of a move's first event: two moves that follow the same state then claim the same place, whatever their
-- lengths, and the second cannot be written.
UPDATE journal SET seq = moved.first
FROM (
  SELECT run_id, seq, COALESCE(LAG(seq) OVER (PARTITION BY run_id ORDER BY seq), 0) + 1 AS first FROM journal
) AS moved
WHERE moved.run_id = journal.run_id AND moved.seq = journal.seq AND moved.first <> journal.seq;
