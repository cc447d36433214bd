DROP TABLE partitions;
DROP TABLE definitions;
DROP TABLE runs;
DROP TABLE journal;
DROP TABLE inbox;
DROP TABLE reviews;
DROP TABLE registrations;
DROP TABLE outbox;
