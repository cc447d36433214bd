-- The team within the tenant that a key belongs to; empty: none. Limits can be set on it.
ALTER TABLE api_keys ADD COLUMN team TEXT NOT NULL DEFAULT '';
