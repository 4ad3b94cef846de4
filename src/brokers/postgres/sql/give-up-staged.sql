-- Removes staged workflows that nobody has published for a day.
-- Parameters: broker time, the most jobs
-- Returns: how many
-- Cost: O(most)
-- Called by: maintain

CREATE OR REPLACE FUNCTION give_up_staged(p_now bigint, p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_workflow text;
  v_job live;
  v_count integer := 0;
BEGIN
  FOR v_workflow IN SELECT workflow FROM workflows WHERE staged_at <= p_now - 86400000 ORDER BY staged_at LIMIT p_most LOOP
    FOR v_job IN
      SELECT l.* FROM jobs j JOIN live l ON l.state = 0 AND l.seq = j.seq
      WHERE j.workflow = v_workflow AND l.flags & 128 <> 0 ORDER BY j.seq LIMIT p_most - v_count FOR UPDATE OF l
    LOOP
      PERFORM end_job(v_job, 6, 5, p_now);
      PERFORM forget_job(v_job.seq, 6, p_now);
      v_count := v_count + 1;
    END LOOP;
    IF v_count >= p_most THEN RETURN v_count; END IF;
    DELETE FROM workflows WHERE workflow = v_workflow;
  END LOOP;
  RETURN v_count;
END $$
