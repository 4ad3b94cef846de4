-- Forgets old events.
-- Parameters: before (ms), most
-- Returns: nothing
-- Cost: O(most), from the oldest on
-- Called by: maintain.ts

DELETE FROM events WHERE at < ? AND id IN (SELECT id FROM events WHERE id > 0 ORDER BY id LIMIT ?)
