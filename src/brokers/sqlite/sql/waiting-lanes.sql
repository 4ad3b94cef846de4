-- Lanes of a queue that wait on a scope, by their turns.
-- Parameters: key of the scope, queue, suspect (0 or 1), most
-- Returns: id, queue, suspect, task, partition, turn
-- Cost: O(most)
-- Called by: lanes.ts

SELECT id, queue, suspect, task, partition, turn FROM lanes
WHERE waits = ? AND waits IS NOT NULL AND queue = ? AND suspect = ? ORDER BY turn LIMIT ?
