-- A blocked job waits for one thing less, and goes on where that was the last.
-- Cost: one row
-- Called by: deliver, publish_some

CREATE OR REPLACE FUNCTION one_less(p_job live) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_job.waits > 1 THEN
    UPDATE live SET waits = p_job.waits - 1, flags = p_job.flags WHERE state = 0 AND seq = p_job.seq;
  ELSIF p_job.due_at IS NULL THEN
    PERFORM enter_ready(p_job, false, false);
  ELSE
    PERFORM enter_scheduled(p_job, p_job.due_at, now_ms());
  END IF;
END $$
