-- Open lanes of a queue in the order of their turns.
-- Parameters: queue, suspect (0 or 1), after this turn, up to this turn, most
-- Returns: id, queue, suspect, task, partition, turn
-- Cost: O(most)
-- Called by: turns.ts

SELECT id, queue, suspect, task, partition, turn FROM lanes
WHERE waits IS NULL AND queue = ? AND suspect = ? AND turn > ? AND turn <= ? ORDER BY turn LIMIT ?
