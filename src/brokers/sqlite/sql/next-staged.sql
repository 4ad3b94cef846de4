-- The workflow that was staged first.
-- Parameters: none
-- Returns: staged_at (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT staged_at FROM workflows WHERE staged_at > 0 ORDER BY staged_at LIMIT 1
