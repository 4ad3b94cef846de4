-- Moves a schedule on from a tick, if it is still there.
-- Parameters: next_at (ms), last_at (ms), id, tick (ms)
-- Returns: changes one row or none
-- Cost: one row
-- Called by: registry.ts

UPDATE schedules SET next_at = ?, last_at = ? WHERE id = ? AND next_at = ? AND paused = 0
