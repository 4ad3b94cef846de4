-- Forgets workers that are gone.
-- Parameters: now (ms)
-- Returns: nothing
-- Cost: O(workers)
-- Called by: maintain.ts

DELETE FROM workers WHERE until <= ?
