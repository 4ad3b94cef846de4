-- Makes a job ready: at the end of its lane, or in the place that it had. Whoever calls holds the job's row.
-- Parameters: the job, whether it keeps its place, whether it is a suspect
-- Cost: one row and its indexes; one row of the inbox where taking turns matters
-- Called by: settle_one, reclaim_one, deliver, revive

CREATE OR REPLACE FUNCTION enter_ready(p_job live, p_keep_place boolean, p_suspect boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_lane text := lane_key(p_suspect, limited_task(p_job.kind), p_job.partition);
  v_flags integer := CASE WHEN p_suspect THEN p_job.flags | 2048 ELSE p_job.flags & ~2048 END;
  v_pos bigint;
BEGIN
  v_pos := CASE WHEN p_keep_place THEN place_back(p_job.pos, v_lane) ELSE next_place() END;
  PERFORM moved(p_job, 2);
  UPDATE live SET state = 2, lane = v_lane, pos = v_pos, flags = v_flags & ~1024, lease_until = NULL, started = false,
    due_at = p_job.due_at, waits = NULL
  WHERE state = p_job.state AND seq = p_job.seq;
  PERFORM arrive(p_job.queue, v_lane, p_job.kind, p_suspect, p_job.partition);
  PERFORM wake(ARRAY[p_job.queue]);
END $$
