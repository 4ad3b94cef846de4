-- Whether a job stands in a lane.
-- Parameters: lane
-- Returns: 1
-- Cost: one row
-- Called by: lanes.ts

SELECT 1 FROM jobs WHERE state = 2 AND lane = ? LIMIT 1
