-- Sets when a lane has its turn.
-- Parameters: turn, id
-- Returns: nothing
-- Cost: one row
-- Called by: turns.ts

UPDATE lanes SET turn = ? WHERE id = ?
