-- All schedules.
-- Parameters: none
-- Returns: as read-schedule
-- Cost: O(schedules)
-- Called by: registry.ts

SELECT id, rule, job, codec, input, next_at, last_at, paused FROM schedules ORDER BY id
