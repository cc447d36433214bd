ALTER TABLE calls ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN first_token_ms BIGINT NOT NULL DEFAULT 0;
-- Which cache answered; empty: a model did.
ALTER TABLE calls ADD COLUMN cache TEXT NOT NULL DEFAULT '';
CREATE INDEX calls_by_time ON calls (tenant, at_ms);

-- A limit on what one subject, or each, may use of one metric in one window of time.
CREATE TABLE limits (
  tenant           TEXT NOT NULL,
  id               TEXT NOT NULL,
  scope            TEXT NOT NULL,
  subject          TEXT NOT NULL,
  model            TEXT NOT NULL,
  metric           TEXT NOT NULL,
  period           TEXT NOT NULL,
  amount           BIGINT NOT NULL,
  soft             BOOLEAN NOT NULL,
  -- JSON list of whole percents.
  alert_percents   TEXT NOT NULL,
  when_unavailable TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);

-- What was used of a limit in one window, and what processes that make calls hold of it.
CREATE TABLE accounts (
  tenant          TEXT NOT NULL,
  limit_id        TEXT NOT NULL,
  subject         TEXT NOT NULL,
  model           TEXT NOT NULL,
  window_start_ms BIGINT NOT NULL,
  spent           BIGINT NOT NULL,
  held            BIGINT NOT NULL,
  PRIMARY KEY (tenant, limit_id, subject, model, window_start_ms)
);

-- What each holder still answers for.
CREATE TABLE leases (
  holder          TEXT NOT NULL,
  tenant          TEXT NOT NULL,
  limit_id        TEXT NOT NULL,
  subject         TEXT NOT NULL,
  model           TEXT NOT NULL,
  window_start_ms BIGINT NOT NULL,
  amount          BIGINT NOT NULL,
  PRIMARY KEY (holder, tenant, limit_id, subject, model, window_start_ms)
);

-- The number of the last request of each holder; an earlier one that comes late is refused.
CREATE TABLE holders (
  holder TEXT PRIMARY KEY,
  number BIGINT NOT NULL,
  at_ms  BIGINT NOT NULL
);

-- Alerts that were raised, each once a window.
CREATE TABLE alerts (
  tenant          TEXT NOT NULL,
  limit_id        TEXT NOT NULL,
  subject         TEXT NOT NULL,
  model           TEXT NOT NULL,
  window_start_ms BIGINT NOT NULL,
  percent         INTEGER NOT NULL,
  at_ms           BIGINT NOT NULL,
  PRIMARY KEY (tenant, limit_id, subject, model, window_start_ms, percent)
);

INSERT INTO limits (tenant, id, scope, subject, model, metric, period, amount, soft, alert_percents, when_unavailable)
SELECT tenant, 'budget', 'tenant', '', '', 'cost', 'month', limit_nanos, FALSE, '[80]', when_unavailable
FROM budgets WHERE limit_nanos > 0;
DROP TABLE budgets;
