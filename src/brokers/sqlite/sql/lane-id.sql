-- The lane of a place.
-- Parameters: queue, suspect (0 or 1), task (0 for the shared lane), partition ('' for none)
-- Returns: id
-- Cost: one row
-- Called by: lanes.ts

SELECT id FROM lanes WHERE queue = ? AND suspect = ? AND task = ? AND partition = ?
