-- Makes a lane, at the end of the turns.
-- Parameters: id, queue, suspect, task, partition, turn
-- Returns: nothing
-- Cost: one row
-- Called by: lanes.ts

INSERT INTO lanes (id, queue, suspect, task, partition, turn) VALUES (?, ?, ?, ?, ?, ?)
