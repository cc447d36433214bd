DROP TABLE outbox;
DROP TABLE invocations;
DROP TABLE budgets;
DROP TABLE spent;
DROP TABLE calls;
