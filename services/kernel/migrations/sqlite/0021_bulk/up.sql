-- One operation on every run that a filter met when the batch was created. `after_run` is the last run whose page was read,
-- the page holds the runs of it that are still to be done; the rate is runs in a thousand seconds.
CREATE TABLE batches (
  id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, partition INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL, request_digest TEXT NOT NULL,
  operation TEXT NOT NULL, filter TEXT NOT NULL, rate BIGINT NOT NULL, created_by TEXT NOT NULL, reason TEXT NOT NULL,
  state TEXT NOT NULL, after_run TEXT NOT NULL, page TEXT NOT NULL,
  total BIGINT NOT NULL, done BIGINT NOT NULL, failed BIGINT NOT NULL, skipped BIGINT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, finished_ms BIGINT NOT NULL
);
CREATE INDEX batches_by_tenant ON batches (tenant, id);
CREATE UNIQUE INDEX batches_by_key ON batches (tenant, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX batches_under_way ON batches (tenant, state) WHERE finished_ms = 0;
CREATE INDEX batches_running ON batches (partition) WHERE state = 'running';

-- The first runs of a batch that it could not do.
CREATE TABLE batch_failures (
  batch_id TEXT NOT NULL, run_id TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (batch_id, run_id)
);

-- Where runs that were removed are archived.
CREATE TABLE archives (
  run_id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, workflow TEXT NOT NULL, version TEXT NOT NULL,
  definition_hash TEXT NOT NULL, status TEXT NOT NULL, submitted_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL, finished_ms BIGINT NOT NULL,
  key TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes BIGINT NOT NULL, archived_ms BIGINT NOT NULL
);

-- Runs that were removed but for their journal, reviews and attributes, and the texts of their rows that may be references.
CREATE TABLE removals (
  run_id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, partition INTEGER NOT NULL, texts TEXT NOT NULL
);
CREATE INDEX removals_by_partition ON removals (partition);
CREATE INDEX inbox_by_run ON inbox (run_id);
