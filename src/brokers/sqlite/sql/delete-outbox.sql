-- All of it is spread.
-- Parameters: id
-- Returns: nothing
-- Cost: one row
-- Called by: dependents.ts

DELETE FROM outbox WHERE id = ?
