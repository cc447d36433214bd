CREATE TABLE tenants (
  id         TEXT PRIMARY KEY NOT NULL,
  title      TEXT NOT NULL,
  created_ms BIGINT NOT NULL
);

CREATE TABLE api_keys (
  id         TEXT PRIMARY KEY NOT NULL,
  digest     BYTEA NOT NULL,              -- SHA-256 of the whole key; the key itself is nowhere
  tenant     TEXT NOT NULL REFERENCES tenants (id),
  principal  TEXT NOT NULL,
  roles      TEXT NOT NULL,               -- separated by commas
  created_by TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT,
  revoked_ms BIGINT
);

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_ms);

-- One row that grows with each change, so that other gateways see that there is something to read.
CREATE TABLE control_revision (
  id       INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  revision BIGINT NOT NULL
);
INSERT INTO control_revision (id, revision) VALUES (1, 0);

CREATE TABLE outbox (
  id         BIGSERIAL PRIMARY KEY,
  subject    TEXT NOT NULL,
  message_id TEXT NOT NULL UNIQUE,
  payload    BYTEA NOT NULL,
  created_ms BIGINT NOT NULL
);
