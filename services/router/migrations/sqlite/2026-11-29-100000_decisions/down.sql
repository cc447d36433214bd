DROP TABLE catalogues;
DROP TABLE statistics;
ALTER TABLE calls DROP COLUMN decision_digest;
