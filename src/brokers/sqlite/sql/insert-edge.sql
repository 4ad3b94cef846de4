-- Ties a job to one that it waits for or whose record it needs.
-- Parameters: parent, child, needs_success (0 or 1), open (0 or 1)
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

INSERT INTO edges (parent, child, needs_success, open) VALUES (?, ?, ?, ?) ON CONFLICT (parent, child) DO NOTHING
