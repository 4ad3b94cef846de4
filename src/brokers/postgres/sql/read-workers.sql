-- Workers that have given a sign of life lately.
-- Returns: what each tells of itself (JSON), and when it last did
-- Cost: O(workers)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_workers() RETURNS TABLE (body text, seen_at bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY SELECT w.body, w.seen_at FROM workers w WHERE w.until > now_ms() ORDER BY w.id;
END $$
