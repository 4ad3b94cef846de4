-- Notes that somebody listens to events, for a while, or no longer.
-- Parameters: the listener, for how long (ms); 0 for no longer
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION listen_until(p_id text, p_ttl_ms bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  IF p_ttl_ms <= 0 THEN
    DELETE FROM listeners WHERE id = p_id;
    RETURN;
  END IF;
  INSERT INTO listeners (id, until) VALUES (p_id, now_ms() + least(p_ttl_ms, 60000))
  ON CONFLICT (id) DO UPDATE SET until = excluded.until;
END $$
