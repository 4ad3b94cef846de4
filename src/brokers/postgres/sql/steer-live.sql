-- Cancels, removes or promotes a job that has not ended. Whoever calls holds its row.
-- Parameters: action, the job, states in which it is meant
-- Returns: as steer_jobs
-- Cost: O(dependencies)
-- Called by: steer_one

CREATE OR REPLACE FUNCTION steer_live(p_action text, p_job live, p_states smallint[]) RETURNS smallint
LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint := now_ms();
  v_past past;
BEGIN
  IF p_job.state <> ALL (p_states) THEN RETURN p_job.state; END IF;
  IF p_action = 'cancel' AND p_job.state = 3 THEN
    UPDATE live SET flags = flags | 2 WHERE state = 3 AND seq = p_job.seq;
    -- Its worker hears at once, and passes it on to the handler.
    PERFORM pg_notify(current_schema(), 'c' || (SELECT name FROM names WHERE id = p_job.worker));
    RETURN 7;
  END IF;
  IF p_action IN ('cancel', 'remove') AND p_job.state < 3 THEN
    PERFORM end_job(p_job, 6, 5, v_now);
    IF p_action = 'remove' THEN PERFORM forget_job(p_job.seq, 6, v_now); END IF;
    RETURN 7;
  END IF;
  IF p_action = 'promote' AND p_job.state = 1 THEN
    v_past := read_past(p_job.seq);
    v_past.due_at := v_now;
    PERFORM save_past(v_past);
    p_job.flags := p_job.flags | 512;
    PERFORM enter_scheduled(p_job, v_now, v_now);
    RETURN 7;
  END IF;
  RETURN p_job.state;
END $$
