-- Closes a lane that finds no room.
-- Parameters: key of the scope, turn, id
-- Returns: nothing
-- Cost: one row
-- Called by: lanes.ts

UPDATE lanes SET waits = ?, turn = ? WHERE id = ?
