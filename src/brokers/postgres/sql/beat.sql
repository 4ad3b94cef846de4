-- A worker's sign of life.
-- Parameters: id, what it tells of itself (JSON), for how long it is known (ms)
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION beat(p_id text, p_body text, p_ttl_ms bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_now bigint := now_ms();
BEGIN
  INSERT INTO workers (id, body, seen_at, until) VALUES (p_id, p_body, v_now, v_now + p_ttl_ms)
  ON CONFLICT (id) DO UPDATE SET body = excluded.body, seen_at = excluded.seen_at, until = excluded.until;
END $$
