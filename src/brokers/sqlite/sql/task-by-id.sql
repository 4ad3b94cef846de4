-- Whether an id is taken, and by which task.
-- Parameters: id
-- Returns: task
-- Cost: one row
-- Called by: enqueue.ts

SELECT task FROM jobs WHERE id = ?
