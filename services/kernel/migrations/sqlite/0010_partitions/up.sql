-- One journal row holds the events of one move, as a JSON list; `seq` is that of its last event.
ALTER TABLE journal DROP COLUMN kind;
ALTER TABLE journal DROP COLUMN pointer;
ALTER TABLE journal RENAME COLUMN event TO events;

-- The state of a run after `seq`, so that recovery replays only what followed.
CREATE TABLE snapshots (run_id TEXT PRIMARY KEY NOT NULL, seq BIGINT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;

-- Kernel processes, each with a count that it raises for as long as it lives, and the partitions that each owns.
CREATE TABLE members (id TEXT PRIMARY KEY NOT NULL, beat BIGINT NOT NULL);
ALTER TABLE partitions ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- What one run has to tell another, until it has been told.
CREATE TABLE errands (
  id TEXT PRIMARY KEY NOT NULL, partition INTEGER NOT NULL, run_id TEXT NOT NULL, tenant TEXT NOT NULL,
  errand TEXT NOT NULL
);
CREATE INDEX errands_by_partition ON errands (partition);

-- A new owner of a partition loads only what has something under way.
CREATE INDEX runs_active ON runs (partition) WHERE status = 'running';
