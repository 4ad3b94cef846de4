-- Opens a lane that waited.
-- Parameters: id
-- Returns: nothing
-- Cost: one row
-- Called by: lanes.ts

UPDATE lanes SET waits = NULL WHERE id = ?
