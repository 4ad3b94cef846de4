-- A large input.
-- Parameters: job
-- Returns: input
-- Cost: one row
-- Called by: reserve.ts, broker.ts

SELECT input FROM payloads WHERE job = ?
