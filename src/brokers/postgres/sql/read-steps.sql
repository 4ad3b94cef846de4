-- Steps of a job in the order in which they were written.
-- Parameters: id
-- Returns: name, time, codec, value
-- Cost: O(steps)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_steps(p_id text) RETURNS TABLE (name bytea, at bigint, codec smallint, value bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY SELECT s.name, s.at, s.codec, s.value FROM steps s
  WHERE s.seq = (SELECT j.seq FROM jobs j WHERE j.id = p_id) ORDER BY s.n;
END $$
