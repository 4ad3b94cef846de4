-- Whether a lane of a queue waits on a scope.
-- Parameters: key of the scope, queue
-- Returns: 1
-- Cost: one row
-- Called by: lanes.ts

SELECT 1 FROM lanes WHERE waits = ? AND waits IS NOT NULL AND queue = ? LIMIT 1
