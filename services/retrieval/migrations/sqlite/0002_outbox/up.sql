-- When the bus took the message; the row stays until the bus has certainly written it to its disk.
ALTER TABLE outbox ADD COLUMN published_ms BIGINT;
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_ms IS NULL;
CREATE INDEX outbox_published ON outbox (published_ms) WHERE published_ms IS NOT NULL;
