-- Removes a schedule.
-- Parameters: id
-- Returns: changes one row or none
-- Cost: one row
-- Called by: registry.ts

DELETE FROM schedules WHERE id = ?
