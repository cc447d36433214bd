-- One row per call: what was asked of whom, what it used, what it cost, and everything the decision was made from.
CREATE TABLE calls (
  id              TEXT PRIMARY KEY,
  tenant          TEXT NOT NULL,
  principal       TEXT NOT NULL,
  task_id         TEXT NOT NULL,
  step            TEXT NOT NULL,
  month           TEXT NOT NULL,
  capability      TEXT NOT NULL,
  model           TEXT NOT NULL,
  provider        TEXT NOT NULL,
  outcome         TEXT NOT NULL,
  input_tokens    BIGINT NOT NULL,
  output_tokens   BIGINT NOT NULL,
  pages           BIGINT NOT NULL,
  audio_ms        BIGINT NOT NULL,
  cost_nanos      BIGINT NOT NULL,
  latency_ms      BIGINT NOT NULL,
  attempts        INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL,
  decision_inputs TEXT NOT NULL,
  at_ms           BIGINT NOT NULL
);
CREATE INDEX calls_by_month ON calls (tenant, month);
CREATE INDEX calls_by_task ON calls (tenant, task_id);

-- Running total of each tenant and month, moved in the transaction that writes the call.
CREATE TABLE spent (
  tenant      TEXT NOT NULL,
  month       TEXT NOT NULL,
  total_nanos BIGINT NOT NULL,
  PRIMARY KEY (tenant, month)
);

CREATE TABLE budgets (
  tenant           TEXT PRIMARY KEY,
  limit_nanos      BIGINT NOT NULL,
  when_unavailable TEXT NOT NULL,
  revision         BIGINT NOT NULL
);

-- Replies of calls with an idempotency key, kept for a day.
CREATE TABLE invocations (
  tenant         TEXT NOT NULL,
  key            TEXT NOT NULL,
  request_digest TEXT NOT NULL,
  reply          BLOB NOT NULL,
  at_ms          BIGINT NOT NULL,
  PRIMARY KEY (tenant, key)
);
CREATE INDEX invocations_by_age ON invocations (at_ms);

CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  subject    TEXT NOT NULL,
  message_id TEXT NOT NULL UNIQUE,
  payload    BLOB NOT NULL,
  created_ms BIGINT NOT NULL
);
