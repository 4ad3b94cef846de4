-- Workflows that were staged long ago.
-- Parameters: before (ms), most
-- Returns: workflow
-- Cost: O(most)
-- Called by: maintain.ts

SELECT workflow FROM workflows WHERE staged_at <= ? ORDER BY staged_at LIMIT ?
