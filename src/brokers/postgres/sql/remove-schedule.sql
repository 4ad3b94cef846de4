-- Removes a schedule.
-- Returns: false where there is none
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION remove_schedule(p_id text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  DELETE FROM schedules WHERE id = p_id;
  RETURN FOUND;
END $$
