-- Puts a ready job into another lane.
-- Parameters: lane, seq
-- Returns: nothing
-- Cost: one row
-- Called by: lanes.ts

UPDATE jobs SET lane = ? WHERE seq = ? AND state = 2
