-- What a review carries besides its question: who may take part, when it ends, what became of it.
ALTER TABLE reviews ADD COLUMN workflow TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
ALTER TABLE reviews ADD COLUMN delegated_by TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN expires_ms BIGINT NOT NULL DEFAULT 0;
-- The due time, or the end of time: what a list of work is sorted by.
ALTER TABLE reviews ADD COLUMN sort_ms BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE reviews ADD COLUMN level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reviews ADD COLUMN round INTEGER NOT NULL DEFAULT 1;
ALTER TABLE reviews ADD COLUMN result TEXT NOT NULL DEFAULT '';
ALTER TABLE reviews ADD COLUMN signature TEXT NOT NULL DEFAULT '';
-- The rounds before this one.
ALTER TABLE reviews ADD COLUMN previous TEXT NOT NULL DEFAULT '';
UPDATE reviews SET sort_ms = due_ms WHERE due_ms > 0;
CREATE INDEX reviews_by_due ON reviews (tenant, status, sort_ms, id);
CREATE INDEX reviews_by_holder ON reviews (tenant, claimed_by, status);

-- Roles and user:<principal>, each as a candidate, excluded or a supervisor.
CREATE TABLE review_people (
  review_id TEXT NOT NULL, part TEXT NOT NULL, who TEXT NOT NULL, tenant TEXT NOT NULL,
  PRIMARY KEY (review_id, part, who)
);
CREATE INDEX review_people_by_name ON review_people (tenant, who, part);
INSERT INTO review_people (review_id, part, who, tenant)
  SELECT DISTINCT reviews.id, 'candidate', role.value, reviews.tenant FROM reviews, json_each(reviews.roles) AS role;

CREATE TABLE review_comments (
  review_id TEXT NOT NULL, id TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (review_id, id)
);

CREATE TABLE review_votes (
  review_id TEXT NOT NULL, voter TEXT NOT NULL, decision TEXT NOT NULL, reason TEXT NOT NULL, edits TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (review_id, voter)
);

-- The public keys whose signatures stand under decisions.
CREATE TABLE decision_keys (verifier_key TEXT PRIMARY KEY NOT NULL, since_ms BIGINT NOT NULL);
