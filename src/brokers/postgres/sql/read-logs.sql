-- Log lines of a job in order.
-- Parameters: id, the number of the line after which they begin, the most lines
-- Returns: number, time, token, level, text
-- Cost: O(lines)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_logs(p_id text, p_after bigint, p_most integer)
RETURNS TABLE (n integer, at bigint, token bigint, level text, text bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY SELECT g.n, g.at, g.token, g.level, g.text FROM logs g
  WHERE g.seq = (SELECT j.seq FROM jobs j WHERE j.id = p_id) AND g.n > p_after ORDER BY g.n LIMIT p_most;
END $$
