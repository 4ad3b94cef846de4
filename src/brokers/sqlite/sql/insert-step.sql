-- Keeps a step, unless one of its name is there.
-- Parameters: job, name, job, at (ms), codec, value
-- Returns: nothing
-- Cost: O(steps of the job)
-- Called by: settle.ts

INSERT INTO steps (job, name, ord, at, codec, value)
VALUES (?, ?, (SELECT coalesce(max(ord), 0) + 1 FROM steps WHERE job = ?), ?, ?, coalesce(?, x''))
ON CONFLICT (job, name) DO NOTHING
