-- Keeps a large input.
-- Parameters: job, input
-- Returns: nothing
-- Cost: one row
-- Called by: enqueue.ts

INSERT INTO payloads (job, input) VALUES (?, ?)
