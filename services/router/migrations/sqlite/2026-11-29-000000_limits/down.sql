CREATE TABLE budgets (
  tenant           TEXT PRIMARY KEY,
  limit_nanos      BIGINT NOT NULL,
  when_unavailable TEXT NOT NULL,
  revision         BIGINT NOT NULL
);
INSERT INTO budgets (tenant, limit_nanos, when_unavailable, revision)
SELECT tenant, amount, when_unavailable, 1 FROM limits WHERE id = 'budget' AND scope = 'tenant';
DROP TABLE alerts;
DROP TABLE holders;
DROP TABLE leases;
DROP TABLE accounts;
DROP TABLE limits;
DROP INDEX calls_by_time;
ALTER TABLE calls DROP COLUMN team;
ALTER TABLE calls DROP COLUMN key_id;
ALTER TABLE calls DROP COLUMN first_token_ms;
ALTER TABLE calls DROP COLUMN cache;
