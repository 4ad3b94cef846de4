-- Moves a schedule on from a tick. Its job is enqueued in the same statement.
-- Parameters: id, the tick, the next one (ms)
-- Returns: false where somebody else has done so, or it is paused or gone
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION tick_schedule(p_id text, p_tick bigint, p_next_at bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  UPDATE schedules SET next_at = p_next_at, last_at = p_tick WHERE id = p_id AND next_at = p_tick AND NOT paused;
  RETURN FOUND;
END $$
