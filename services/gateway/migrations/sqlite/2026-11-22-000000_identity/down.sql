DROP TABLE outbox;
DROP TABLE control_revision;
DROP TABLE api_keys;
DROP TABLE tenants;
