-- All schedules.
-- Returns: id, rule, job, next and last tick (ms), paused
-- Cost: O(schedules)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_schedules() RETURNS TABLE (
  id text, rule text, job bytea, next_at bigint, last_at bigint, paused boolean
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY SELECT s.id, s.rule, s.job, s.next_at, s.last_at, s.paused FROM schedules s ORDER BY s.id;
END $$
