DROP INDEX inbox_by_run;
DROP TABLE removals;
DROP TABLE archives;
DROP TABLE batch_failures;
DROP TABLE batches;
