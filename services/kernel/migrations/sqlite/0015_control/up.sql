-- What is paused: a tenant (no workflow), or all versions of a workflow.
CREATE TABLE pauses (
  tenant TEXT NOT NULL, workflow TEXT NOT NULL, paused_by TEXT NOT NULL, reason TEXT NOT NULL, paused_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant, workflow)
);

-- What holds each run. The owner of its partition brings it into agreement with the pauses.
CREATE TABLE run_pauses (
  run_id TEXT NOT NULL, scope TEXT NOT NULL, tenant TEXT NOT NULL, workflow TEXT NOT NULL, partition INTEGER NOT NULL,
  PRIMARY KEY (run_id, scope)
);
CREATE INDEX run_pauses_by_scope ON run_pauses (scope, partition);

-- By what runs are found: what they were started with, what they set, and `orrery.error`, the code of their error.
CREATE TABLE run_attributes (
  run_id TEXT NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_id, name)
);
CREATE INDEX run_attributes_by_value ON run_attributes (tenant, name, value, run_id);

-- How long runs that are over are kept: of a tenant (no workflow), or of a workflow.
CREATE TABLE retention (
  tenant TEXT NOT NULL, workflow TEXT NOT NULL, keep_ms BIGINT NOT NULL, archive BOOLEAN NOT NULL,
  PRIMARY KEY (tenant, workflow)
);
CREATE INDEX runs_finished ON runs (partition, tenant, finished_ms) WHERE finished_ms > 0;
