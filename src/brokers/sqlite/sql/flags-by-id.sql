-- The flags of a job.
-- Parameters: id
-- Returns: flags
-- Cost: one row
-- Called by: settle.ts

SELECT flags FROM jobs WHERE id = ?
