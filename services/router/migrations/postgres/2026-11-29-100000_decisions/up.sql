-- Over the decision as it was made, to tell whether it is made again the same.
ALTER TABLE calls ADD COLUMN decision_digest TEXT NOT NULL DEFAULT '';

-- What decisions knew of the past, by the revision that their records name.
CREATE TABLE statistics (
  revision BIGINT PRIMARY KEY,
  json     TEXT NOT NULL
);

-- What models there were, by the digest that records of decisions name.
CREATE TABLE catalogues (
  digest TEXT PRIMARY KEY,
  json   TEXT NOT NULL
);
