-- Removes a lane in which no job stands.
-- Parameters: id
-- Returns: nothing
-- Cost: one row
-- Called by: lanes.ts

DELETE FROM lanes WHERE id = ?
