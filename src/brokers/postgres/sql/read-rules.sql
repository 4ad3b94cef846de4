-- The limits in store.
-- Returns: scope (q queue, t task, p partitions of a queue), its name, source (0 declared, 1 set), jobs at once, starts, in
--   how long (ms)
-- Cost: O(rules)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_rules() RETURNS TABLE (
  scope text, name text, source smallint, concurrency bigint, rate_count bigint, rate_ms bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT r.scope::text, n.name, r.source, r.concurrency, r.rate_count, r.rate_ms
  FROM rules r JOIN names n ON n.id = r.name ORDER BY n.id, r.scope, r.source;
END $$
