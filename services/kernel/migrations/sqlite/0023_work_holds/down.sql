DROP TABLE work_holds;
