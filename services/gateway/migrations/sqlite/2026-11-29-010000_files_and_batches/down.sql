DROP TABLE model_batch_parts;
DROP TABLE model_batches;
DROP TABLE files;
