-- Makes a scheduled job ready.
-- Parameters: lane, pos, seq
-- Returns: nothing
-- Cost: one row and its indexes
-- Called by: reserve.ts

UPDATE jobs SET state = 2, lane = ?, pos = ? WHERE seq = ? AND state = 1
