-- Files that clients uploaded or that batches made; their bytes lie in the object store as `files/<id>` of the tenant.
CREATE TABLE files (
  id         TEXT PRIMARY KEY NOT NULL,
  tenant     TEXT NOT NULL,
  purpose    TEXT NOT NULL,
  file_name  TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  sha256     TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,             -- 0: stays
  deleted_ms BIGINT NOT NULL              -- above 0: gone for clients, its bytes are being removed
);
CREATE INDEX files_by_tenant ON files (tenant, created_ms, id);
CREATE INDEX files_expiring ON files (expires_ms) WHERE expires_ms > 0;
CREATE INDEX files_deleted ON files (deleted_ms) WHERE deleted_ms > 0;

-- Batches of calls to models as clients see them. A task of the kernel runs each.
CREATE TABLE model_batches (
  id                TEXT PRIMARY KEY NOT NULL,
  tenant            TEXT NOT NULL,
  key_id            TEXT NOT NULL,        -- of the API key that made it, by whose rights its lines are called
  created_by        TEXT NOT NULL,
  endpoint          TEXT NOT NULL,
  input_file_id     TEXT NOT NULL,
  completion_window TEXT NOT NULL,
  metadata          TEXT NOT NULL,        -- JSON
  terms             TEXT NOT NULL,        -- JSON: what the head of the request said of its calls
  outputs_kept_s    BIGINT NOT NULL,      -- how long its files are kept; 0: until they are deleted
  status            TEXT NOT NULL,
  task_id           TEXT NOT NULL,        -- empty: not started yet
  errors            TEXT NOT NULL,        -- JSON: what is wrong with the input
  parts             BIGINT NOT NULL,      -- into which the input was cut
  total             BIGINT NOT NULL,      -- lines
  completed         BIGINT NOT NULL,      -- the final count; until then the parts have it
  failed            BIGINT NOT NULL,
  output_file_id    TEXT NOT NULL,
  error_file_id     TEXT NOT NULL,
  created_ms        BIGINT NOT NULL,
  expires_ms        BIGINT NOT NULL,
  in_progress_ms    BIGINT NOT NULL,      -- these: 0 until it is so
  finalizing_ms     BIGINT NOT NULL,
  cancelling_ms     BIGINT NOT NULL,
  finished_ms       BIGINT NOT NULL       -- completed, failed, expired or cancelled
);
CREATE INDEX model_batches_by_tenant ON model_batches (tenant, created_ms, id);
CREATE INDEX model_batches_open ON model_batches (created_ms) WHERE finished_ms = 0;

-- How far each part of a batch is.
CREATE TABLE model_batch_parts (
  batch     TEXT NOT NULL REFERENCES model_batches (id),
  part      BIGINT NOT NULL,
  completed BIGINT NOT NULL,
  failed    BIGINT NOT NULL,
  PRIMARY KEY (batch, part)
);
