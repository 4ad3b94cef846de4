-- Has a job wait for a time; makes it ready where that has come. Whoever calls holds the job's row.
-- Parameters: the job, when it is due (ms), broker time
-- Returns: the state it is in
-- Cost: one row and its indexes
-- Called by: settle_one, deliver

CREATE OR REPLACE FUNCTION enter_scheduled(p_job live, p_due_at bigint, p_now bigint) RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
  p_job.due_at := p_due_at;
  IF p_due_at <= p_now THEN
    PERFORM enter_ready(p_job, false, (p_job.flags & 2048) <> 0);
    RETURN 2;
  END IF;
  PERFORM moved(p_job, 1);
  UPDATE live SET state = 1, due_at = p_due_at, lane = '', flags = p_job.flags & ~1024, lease_until = NULL,
    started = false, waits = NULL
  WHERE state = p_job.state AND seq = p_job.seq;
  PERFORM wake(ARRAY[p_job.queue]);
  RETURN 1;
END $$
