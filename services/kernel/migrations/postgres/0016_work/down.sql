DROP TABLE work;
DROP TABLE pending;
