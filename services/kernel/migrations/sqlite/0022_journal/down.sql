CREATE TABLE journal_by_last (
  run_id TEXT NOT NULL, seq BIGINT NOT NULL, events TEXT NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
INSERT INTO journal_by_last (run_id, seq, events, at_ms)
SELECT run_id, COALESCE(
  LEAD(seq) OVER (PARTITION BY run_id ORDER BY seq) - 1, (SELECT runs.seq FROM runs WHERE runs.id = journal.run_id)
), events, at_ms FROM journal;
DROP TABLE journal;
ALTER TABLE journal_by_last RENAME TO journal;
