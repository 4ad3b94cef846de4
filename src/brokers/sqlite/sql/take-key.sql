-- Gives a unique key to a job, if nobody holds it.
-- Parameters: key, job
-- Returns: changes one row or none
-- Cost: one row
-- Called by: enqueue.ts, moves.ts

INSERT INTO unique_keys (key, job) VALUES (?, ?) ON CONFLICT (key) DO NOTHING
