-- Paused queues.
-- Parameters: none
-- Returns: queue
-- Cost: O(queues)
-- Called by: rules.ts, when they have changed

SELECT queue FROM queues WHERE paused = 1
