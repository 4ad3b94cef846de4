-- Leaves something to be spread later.
-- Parameters: parent, success (0 or 1), workflow, last_seq
-- Returns: nothing
-- Cost: one row
-- Called by: dependents.ts

INSERT INTO outbox (parent, success, workflow, last_seq) VALUES (?, ?, ?, ?)
