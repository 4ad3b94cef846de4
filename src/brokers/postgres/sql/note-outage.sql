-- Notes that upkeep was served, and tells until when nothing is taken back: after an outage nobody could renew a lease, so
-- for as long as it was, at most one lease. Two things together tell an outage from workers that died: no upkeep has been
-- served for that long, and the caller was kept waiting meanwhile, or the server has started since.
-- Parameters: broker time, how long the caller was kept waiting (ms)
-- Returns: broker time, 0 where there was none
-- Cost: one row
-- Called by: maintain

CREATE OR REPLACE FUNCTION note_outage(p_now bigint, p_outage_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_seen bigint;
  v_grace bigint;
  v_longest bigint;
  v_first boolean;
BEGIN
  SELECT value::bigint INTO v_seen FROM meta WHERE key = 'seen';
  SELECT value::bigint INTO v_grace FROM meta WHERE key = 'grace';
  v_first := v_seen IS NULL;
  v_seen := coalesce(v_seen, p_now - p_outage_ms);
  v_grace := coalesce(v_grace, 0);
  -- Whoever comes first may not have been there when the server went.
  IF p_outage_ms < p_now - v_seen AND v_seen < extract(epoch FROM pg_postmaster_start_time()) * 1000 THEN
    p_outage_ms := p_now - v_seen;
  END IF;
  IF p_outage_ms >= 1000 AND p_now - v_seen >= 1000 THEN
    SELECT max(l.lease_until - l.claimed_at) INTO v_longest FROM (
      SELECT lease_until, claimed_at FROM live WHERE state = 3 ORDER BY seq DESC LIMIT 1000) l;
    v_grace := p_now + least(p_now - v_seen, greatest(v_longest, 1000));
    INSERT INTO meta (key, value) VALUES ('grace', v_grace) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
  END IF;
  -- Rows that change often are short of room while somebody holds an old snapshot: once in half a second is enough.
  IF v_first OR p_now - v_seen >= 500 OR v_seen > p_now THEN
    INSERT INTO meta (key, value) VALUES ('seen', p_now) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
  END IF;
  RETURN v_grace;
END $$
