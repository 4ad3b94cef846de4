-- Whether a job stands in a lane.
-- Parameters: lane
-- Returns: 1
-- Cost: one row
-- Called by: lanes.ts

SELECT 1 FROM jobs INDEXED BY jobs_ready WHERE state = 2 AND lane = ? LIMIT 1
