-- The flip: a workflow is not staged any more.
-- Parameters: workflow
-- Returns: changes one row or none
-- Cost: one row
-- Called by: dependents.ts, maintain.ts

DELETE FROM workflows WHERE workflow = ?
