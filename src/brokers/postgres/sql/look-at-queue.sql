-- What a claim has to know of a queue before it looks for jobs, in one statement: as a rule, nothing is the case.
-- Parameters: queue, broker time
-- Returns: paused; whether a scheduled job is due; whether a ready one has expired; whether lanes take turns
-- Cost: a few rows
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION look_at_queue(
  p_queue integer, p_now bigint, OUT paused boolean, OUT due boolean, OUT expired boolean, OUT turns boolean
) LANGUAGE plpgsql AS $$
BEGIN
  SELECT EXISTS (SELECT 1 FROM paused p WHERE p.queue = p_queue),
    EXISTS (SELECT 1 FROM live WHERE state = 1 AND queue = p_queue AND due_at <= p_now),
    EXISTS (SELECT 1 FROM live WHERE queue = p_queue AND expires_at IS NOT NULL AND expires_at <= p_now AND state < 3
      AND flags & 4096 = 0 AND state = 2),
    EXISTS (SELECT 1 FROM lanes l WHERE l.queue = p_queue) OR EXISTS (SELECT 1 FROM inbox i WHERE i.queue = p_queue)
      OR EXISTS (SELECT 1 FROM rules WHERE scope = 't' OR (scope = 'q' AND name = p_queue))
  INTO paused, due, expired, turns;
END $$
