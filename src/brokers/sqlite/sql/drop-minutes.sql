-- Forgets old minutes.
-- Parameters: before (ms), most
-- Returns: nothing
-- Cost: O(most)
-- Called by: maintain.ts

DELETE FROM minutes WHERE (minute_at, queue, task) IN
  (SELECT minute_at, queue, task FROM minutes WHERE minute_at < ? ORDER BY minute_at, queue, task LIMIT ?)
