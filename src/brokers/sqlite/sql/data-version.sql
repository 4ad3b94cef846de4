-- A number that changes when another connection has written to the file.
-- Parameters: none
-- Returns: data_version
-- Cost: one look at shared memory
-- Called by: runner.ts, thread.ts

PRAGMA data_version
