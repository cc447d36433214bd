DROP TABLE dead_letters;
DROP TABLE tree;
DROP TABLE tiles;
DROP TABLE leaves;
