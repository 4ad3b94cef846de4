-- Puts a new job where it belongs: blocked, scheduled, ready, or ended at once where what it waits for has failed.
-- Parameters: the job, its queue, broker time, how much it waits for, whether it waits in vain
-- Cost: one row
-- Called by: enqueue_one

CREATE OR REPLACE FUNCTION place_new(p_job jobs, p_queue integer, p_now bigint, p_waits integer, p_hopeless boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_live live;
  v_state integer := CASE WHEN p_hopeless OR p_waits > 0 THEN 0 WHEN p_job.due_at > p_now THEN 1 ELSE 2 END;
BEGIN
  v_live.seq := p_job.seq;
  v_live.pos := p_job.seq;
  v_live.token := 0;
  v_live.due_at := p_job.due_at;
  v_live.expires_at := p_job.expires_at;
  v_live.queue := p_queue;
  v_live.kind := p_job.kind;
  v_live.flags := p_job.flags;
  v_live.waits := p_waits;
  v_live.state := v_state;
  v_live.priority := p_job.priority;
  v_live.started := false;
  v_live.partition := p_job.partition;
  v_live.lane := CASE WHEN v_state = 2 THEN lane_key(false, limited_task(p_job.kind), p_job.partition) ELSE '' END;
  INSERT INTO live SELECT v_live.*;
  PERFORM count_move(p_job.kind, -1, v_state, 0, 0, 0, 1);
  IF p_hopeless THEN
    PERFORM end_job(v_live, 6, 7, p_now);
    RETURN;
  END IF;
  IF is_heard() THEN PERFORM tell(ARRAY[p_job.id], ARRAY[p_job.kind], ARRAY[v_state::smallint]); END IF;
  IF v_state = 2 THEN PERFORM arrive(p_queue, v_live.lane, p_job.kind, false, p_job.partition); END IF;
END $$
