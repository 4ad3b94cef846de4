-- The next queue, and kind of lane, that waits on a scope.
-- Parameters: key of the scope, queue and suspect before
-- Returns: queue, suspect
-- Cost: one row
-- Called by: lanes.ts

SELECT queue, suspect FROM lanes
WHERE waits = ? AND waits IS NOT NULL AND (queue, suspect) > (?, ?) ORDER BY queue, suspect LIMIT 1
