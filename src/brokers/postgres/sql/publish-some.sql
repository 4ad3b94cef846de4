-- Makes staged jobs of a workflow visible, the oldest first.
-- Parameters: workflow, number of its last job, the most jobs
-- Returns: how many
-- Cost: O(most)
-- Called by: publish_workflow, spread

CREATE OR REPLACE FUNCTION publish_some(p_workflow text, p_last bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_job live;
  v_count integer := 0;
BEGIN
  FOR v_job IN
    SELECT l.* FROM jobs j JOIN live l ON l.state = 0 AND l.seq = j.seq
    WHERE j.workflow = p_workflow AND j.seq <= p_last AND (l.flags & 128) <> 0
    ORDER BY j.seq LIMIT p_most FOR UPDATE OF l
  LOOP
    v_job.flags := v_job.flags & ~128;
    PERFORM one_less(v_job);
    v_count := v_count + 1;
  END LOOP;
  RETURN v_count;
END $$
