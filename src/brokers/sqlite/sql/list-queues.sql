-- All queues with their counts.
-- Parameters: none
-- Returns: queue, paused, blocked, scheduled, ready, active, succeeded, failed, cancelled
-- Cost: O(queues)
-- Called by: registry.ts

SELECT queue, paused, blocked, scheduled, ready, active, succeeded, failed, cancelled FROM queues ORDER BY queue
