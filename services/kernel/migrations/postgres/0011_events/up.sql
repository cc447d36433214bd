-- Which runs wait for which events. An empty type is any.
CREATE TABLE subscriptions (
  run_id TEXT NOT NULL, frame BIGINT NOT NULL, event_type TEXT NOT NULL, tenant TEXT NOT NULL,
  PRIMARY KEY (run_id, frame, event_type)
);
CREATE INDEX subscriptions_by_type ON subscriptions (tenant, event_type, run_id);

-- The schedule of the newest version of each workflow that has one.
CREATE TABLE schedules (
  tenant TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  definition_hash TEXT NOT NULL, partition INTEGER NOT NULL,
  submitted_by TEXT NOT NULL, roles TEXT NOT NULL, deployed_ms BIGINT NOT NULL,
  next_ms BIGINT, running TEXT NOT NULL, gathered TEXT NOT NULL,
  PRIMARY KEY (tenant, namespace, name)
);
CREATE INDEX schedules_due ON schedules (next_ms) WHERE next_ms IS NOT NULL;

-- Which schedules wait for which events. An empty type is any.
CREATE TABLE schedule_events (
  tenant TEXT NOT NULL, event_type TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (tenant, event_type, namespace, name)
);
