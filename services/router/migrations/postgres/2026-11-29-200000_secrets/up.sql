-- Secrets of providers, sealed: without the key, which is in no database, nothing here tells a value.
CREATE TABLE secrets (
  name      TEXT PRIMARY KEY,
  version   BIGINT NOT NULL,        -- counts up with each value and each removal, so that none comes twice
  sealed    BYTEA,                  -- NULL: it was removed
  set_at_ms BIGINT NOT NULL,
  set_by    TEXT NOT NULL           -- <tenant>/<principal>
);
