-- One row per collection; the version grows with each change to its documents.
CREATE TABLE collections (
  tenant  TEXT   NOT NULL,
  name    TEXT   NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (tenant, name)
);

-- The newest state of each document; `text` is what the positions of chunks refer to.
CREATE TABLE documents (
  tenant     TEXT   NOT NULL,
  collection TEXT   NOT NULL,
  name       TEXT   NOT NULL,
  digest     TEXT   NOT NULL,
  media_type TEXT   NOT NULL,
  title      TEXT   NOT NULL,
  text       TEXT   NOT NULL,
  access     TEXT   NOT NULL,
  model      TEXT   NOT NULL,
  added_ms   BIGINT NOT NULL,
  PRIMARY KEY (tenant, collection, name),
  FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, name)
);

-- Pieces of documents with their embeddings, 32-bit floats in little-endian order.
CREATE TABLE chunks (
  id           TEXT    PRIMARY KEY NOT NULL,
  tenant       TEXT    NOT NULL,
  collection   TEXT    NOT NULL,
  document     TEXT    NOT NULL,
  ord          INTEGER NOT NULL,
  digest       TEXT    NOT NULL,
  section_path TEXT    NOT NULL,
  clause       TEXT    NOT NULL,
  text         TEXT    NOT NULL,
  start_char   BIGINT  NOT NULL,
  end_char     BIGINT  NOT NULL,
  page         INTEGER NOT NULL,
  wording      BLOB    NOT NULL,
  body         BLOB    NOT NULL,
  FOREIGN KEY (tenant, collection, document) REFERENCES documents (tenant, collection, name) ON DELETE CASCADE
);
CREATE INDEX chunks_by_document ON chunks (tenant, collection, document, ord);

CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  subject    TEXT NOT NULL,
  message_id TEXT NOT NULL UNIQUE,
  payload    BLOB NOT NULL,
  created_ms BIGINT NOT NULL
);
