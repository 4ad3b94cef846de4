-- The number of the lock by which a transaction of the user's that is about to end a job says so, until its own end.
-- Whoever else holds the job's row holds it for a moment, and is waited for.
-- Parameters: number of the job
-- Called by: settle_one, enqueue_one, steer_one, write_notes

CREATE OR REPLACE FUNCTION users_lock(p_seq bigint) RETURNS bigint LANGUAGE sql STABLE AS
$$SELECT hashtextextended(current_schema() || ' complete', p_seq)$$
