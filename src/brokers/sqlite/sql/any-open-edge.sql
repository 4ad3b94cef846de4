-- Whether somebody waits for a job.
-- Parameters: parent
-- Returns: 1
-- Cost: one row
-- Called by: moves.ts

SELECT 1 FROM edges INDEXED BY edges_open WHERE parent = ? AND open = 1 LIMIT 1
