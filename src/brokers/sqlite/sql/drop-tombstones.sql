-- Forgets tombstones whose time is over.
-- Parameters: now (ms), most
-- Returns: nothing
-- Cost: O(most)
-- Called by: maintain.ts

DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE until <= ? ORDER BY until LIMIT ?)
