-- Steps that are just being given to workers, of queues that limit how many they may hold: counted by all kernels.
CREATE TABLE work_holds (
  key TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, queue TEXT NOT NULL, until_ms BIGINT NOT NULL
);
CREATE INDEX work_holds_by_queue ON work_holds (tenant, queue);
