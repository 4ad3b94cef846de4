-- Creates or replaces a schedule. Its next tick stays where its rule has not changed.
-- Parameters: id, rule (the same text for the same rule), job, next and last tick (ms), paused
-- Cost: one row
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION put_schedule(
  p_id text, p_rule text, p_job bytea, p_next_at bigint, p_last_at bigint, p_paused boolean
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  INSERT INTO schedules AS s (id, rule, job, next_at, last_at, paused)
  VALUES (p_id, p_rule, p_job, p_next_at, p_last_at, p_paused)
  ON CONFLICT (id) DO UPDATE SET rule = excluded.rule, job = excluded.job,
    next_at = CASE WHEN s.rule = excluded.rule THEN s.next_at ELSE excluded.next_at END,
    last_at = coalesce(excluded.last_at, s.last_at), paused = excluded.paused;
END $$
