-- The workflow that was staged first.
-- Parameters: none
-- Returns: staged_at (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT staged_at FROM workflows ORDER BY staged_at LIMIT 1
