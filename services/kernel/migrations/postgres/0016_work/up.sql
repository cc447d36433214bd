-- Runs that were taken in and wait for their turn.
CREATE TABLE pending (
  run_id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, partition INTEGER NOT NULL,
  workflow TEXT NOT NULL, priority BIGINT NOT NULL, since_ms BIGINT NOT NULL
);
CREATE INDEX pending_by_partition ON pending (partition, since_ms);

-- Steps that workers outside do.
CREATE TABLE work (
  key TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, run_id TEXT NOT NULL, queue TEXT NOT NULL, status TEXT NOT NULL,
  turn_ms BIGINT NOT NULL, priority BIGINT NOT NULL, attempt BIGINT NOT NULL, token TEXT NOT NULL,
  heartbeat_ms BIGINT NOT NULL, beat_ms BIGINT NOT NULL, details TEXT NOT NULL
);
CREATE INDEX work_queued ON work (tenant, queue, turn_ms, key) WHERE status = 'queued';
CREATE INDEX work_started ON work (tenant, queue) WHERE status = 'started';
CREATE INDEX work_by_run ON work (run_id);
