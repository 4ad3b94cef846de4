-- Makes a job findable by a field.
-- Parameters: field, value, job
-- Returns: nothing
-- Cost: one row
-- Called by: enqueue.ts

INSERT INTO search (field, value, job) VALUES (?, ?, ?)
