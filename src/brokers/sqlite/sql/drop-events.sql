-- Forgets old events.
-- Parameters: before (ms), most
-- Returns: nothing
-- Cost: O(most), from the oldest on
-- Called by: maintain.ts

DELETE FROM events WHERE at < ? AND id IN (SELECT id FROM events ORDER BY id LIMIT ?)
