-- Where active jobs count, for rules that are new.
-- Parameters: none
-- Returns: queue, task, partition
-- Cost: O(active jobs)
-- Called by: registry.ts

SELECT queue, task, partition FROM jobs INDEXED BY jobs_lease WHERE state = 3 AND lease_until > 0
