-- A lane.
-- Parameters: id
-- Returns: id, queue, suspect, task, partition, turn, waits
-- Cost: one row
-- Called by: lanes.ts

SELECT id, queue, suspect, task, partition, turn, waits FROM lanes WHERE id = ?
