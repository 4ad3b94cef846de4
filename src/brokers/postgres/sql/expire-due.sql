-- Cancels waiting jobs that have not begun and have expired.
-- Parameters: queue, broker time, the most jobs, whether only those that stand ready
-- Returns: how many
-- Cost: O(most)
-- Called by: reserve_jobs, maintain

CREATE OR REPLACE FUNCTION expire_due(p_queue integer, p_now bigint, p_most integer, p_ready boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_job live;
  v_count integer := 0;
BEGIN
  FOR v_job IN
    SELECT * FROM live
    WHERE queue = p_queue AND expires_at IS NOT NULL AND expires_at <= p_now AND state < 3 AND flags & 4096 = 0
      AND (state = 2 OR NOT p_ready)
    ORDER BY expires_at LIMIT p_most FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM end_job(v_job, 6, 6, p_now);
    v_count := v_count + 1;
  END LOOP;
  RETURN v_count;
END $$
