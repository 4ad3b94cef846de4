-- Removes the records of ended jobs that have been kept long enough.
-- Parameters: broker time, the most jobs
-- Returns: how many
-- Cost: O(most)
-- Called by: maintain

CREATE OR REPLACE FUNCTION prune_jobs(p_now bigint, p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_plain integer;
  v_row record;
  v_count integer := 0;
BEGIN
  WITH picked AS MATERIALIZED (
    SELECT state, seq FROM ended WHERE prune_at IS NOT NULL AND prune_at <= p_now
    ORDER BY prune_at LIMIT p_most FOR UPDATE SKIP LOCKED
  ), plain AS (
    DELETE FROM ended e USING picked p WHERE e.state = p.state AND e.seq = p.seq AND e.flags & (16 | 64 | 512) = 0
    RETURNING e.seq, e.state, e.kind, e.token, e.outcome
  ), gone AS (
    DELETE FROM jobs j USING plain p WHERE j.seq = p.seq RETURNING j.id, p.state, p.kind, p.token, p.outcome
  ), buried AS (
    INSERT INTO tombstones (id, token, outcome, until) SELECT id, token, outcome, p_now + 300000 FROM gone WHERE outcome IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET token = excluded.token, outcome = excluded.outcome, until = excluded.until
  ), counted AS (
    INSERT INTO tally (kind, minute_at, succeeded, failed, cancelled)
    SELECT kind, p_now / 60000 * 60000, -count(*) FILTER (WHERE state = 4), -count(*) FILTER (WHERE state = 5),
      -count(*) FILTER (WHERE state = 6) FROM gone GROUP BY kind
  )
  SELECT count(*) INTO v_plain FROM gone;
  FOR v_row IN
    SELECT state, seq FROM ended WHERE prune_at IS NOT NULL AND prune_at <= p_now AND flags & (16 | 64 | 512) <> 0
    ORDER BY prune_at LIMIT p_most - v_plain FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM forget_job(v_row.seq, v_row.state, p_now);
    v_count := v_count + 1;
  END LOOP;
  RETURN v_plain + v_count;
END $$
