-- Whether a job is there, and its state.
-- Parameters: seq
-- Returns: state
-- Cost: one row
-- Called by: moves.ts

SELECT state FROM jobs WHERE seq = ?
