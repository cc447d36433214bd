-- Virtual partitions and the epoch of their owner; every write is fenced by it.
CREATE TABLE partitions (id INTEGER PRIMARY KEY NOT NULL, epoch BIGINT NOT NULL);

CREATE TABLE definitions (
  tenant TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  hash TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL, deployed_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant, namespace, name, version)
);
CREATE INDEX definitions_by_hash ON definitions (tenant, hash);

CREATE TABLE runs (
  id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, partition INTEGER NOT NULL,
  workflow TEXT NOT NULL, version TEXT NOT NULL, definition_hash TEXT NOT NULL,
  status TEXT NOT NULL, submitted_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, finished_ms BIGINT NOT NULL,
  seq BIGINT NOT NULL, wake_ms BIGINT,
  active TEXT NOT NULL, input TEXT NOT NULL, attachments TEXT NOT NULL, output TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX runs_by_tenant ON runs (tenant, id);
CREATE INDEX runs_unfinished ON runs (partition) WHERE finished_ms = 0;
CREATE INDEX runs_timers ON runs (wake_ms) WHERE wake_ms IS NOT NULL;

CREATE TABLE journal (
  run_id TEXT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, pointer TEXT NOT NULL,
  event TEXT NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- Keys of requests to start a task that have been seen.
CREATE TABLE inbox (
  tenant TEXT NOT NULL, key TEXT NOT NULL, request_digest TEXT NOT NULL, run_id TEXT NOT NULL,
  PRIMARY KEY (tenant, key)
);

CREATE TABLE reviews (
  id TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, run_id TEXT NOT NULL, pointer TEXT NOT NULL,
  title TEXT NOT NULL, instructions TEXT NOT NULL, roles TEXT NOT NULL, form TEXT NOT NULL, subject TEXT NOT NULL,
  status TEXT NOT NULL, claimed_by TEXT NOT NULL, decision TEXT NOT NULL, reason TEXT NOT NULL, edits TEXT NOT NULL,
  decided_by TEXT NOT NULL, submitted_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL, claimed_ms BIGINT NOT NULL, decided_ms BIGINT NOT NULL, due_ms BIGINT NOT NULL
);
CREATE INDEX reviews_by_tenant ON reviews (tenant, id);
CREATE INDEX reviews_by_run ON reviews (run_id);

CREATE TABLE registrations (
  tenant TEXT NOT NULL, key TEXT NOT NULL, value_digest TEXT NOT NULL, run_id TEXT NOT NULL, registered_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant, key, value_digest, run_id)
);

CREATE TABLE outbox (
  id BIGSERIAL PRIMARY KEY,
  subject TEXT NOT NULL, message_id TEXT NOT NULL UNIQUE, payload BYTEA NOT NULL, created_ms BIGINT NOT NULL
);
