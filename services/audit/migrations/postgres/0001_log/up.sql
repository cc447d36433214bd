-- One row per leaf of the tree; never updated, never deleted.
CREATE TABLE leaves (
  idx       BIGINT PRIMARY KEY NOT NULL,
  record_id TEXT   NOT NULL UNIQUE,
  tenant    TEXT   NOT NULL,
  task_id   TEXT   NOT NULL,
  leaf_hash BYTEA  NOT NULL,
  record    TEXT   NOT NULL
);
CREATE INDEX leaves_by_task ON leaves (tenant, task_id, idx);
CREATE INDEX leaves_by_tenant ON leaves (tenant, idx);

-- Hashes 256 at a time, as C2SP tlog-tiles lays them out; only the right edge changes.
CREATE TABLE tiles (
  level  INTEGER NOT NULL,
  idx    BIGINT  NOT NULL,
  hashes BYTEA   NOT NULL,
  PRIMARY KEY (level, idx)
);

-- The one row that every append moves on from the size it knows: the fence between writers.
CREATE TABLE tree (
  id           INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  size         BIGINT  NOT NULL,
  checkpoint   TEXT    NOT NULL,
  verifier_key TEXT    NOT NULL
);

-- Messages that are no record, kept for a person to look at.
CREATE TABLE dead_letters (
  digest      TEXT   PRIMARY KEY NOT NULL,
  subject     TEXT   NOT NULL,
  reason      TEXT   NOT NULL,
  payload     BYTEA  NOT NULL,
  received_ms BIGINT NOT NULL
);
