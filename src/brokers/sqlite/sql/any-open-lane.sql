-- Whether a queue has an open lane.
-- Parameters: queue
-- Returns: 1
-- Cost: one row
-- Called by: lanes.ts

SELECT 1 FROM lanes WHERE waits IS NULL AND queue = ? LIMIT 1
