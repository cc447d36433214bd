-- `seq` becomes that of a move's first event: two moves that follow the same state then claim the same place, whatever their
-- lengths, and the second cannot be written.
CREATE TABLE journal_by_first (
  run_id TEXT NOT NULL, seq BIGINT NOT NULL, events TEXT NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
INSERT INTO journal_by_first (run_id, seq, events, at_ms)
SELECT run_id, COALESCE(LAG(seq) OVER (PARTITION BY run_id ORDER BY seq), 0) + 1, events, at_ms FROM journal;
DROP TABLE journal;
ALTER TABLE journal_by_first RENAME TO journal;
