-- A worker's clean stop.
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION leave(p_id text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  DELETE FROM workers WHERE id = p_id;
END $$
