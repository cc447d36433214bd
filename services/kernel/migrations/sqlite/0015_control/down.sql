DROP INDEX runs_finished;
DROP TABLE retention;
DROP TABLE run_attributes;
DROP TABLE run_pauses;
DROP TABLE pauses;
