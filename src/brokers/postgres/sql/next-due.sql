-- When something of a queue falls due: a scheduled job, or room in a rate for which lanes wait.
-- Parameters: queue, broker time
-- Returns: broker time or null
-- Cost: a few rows
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION next_due(p_queue integer, p_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_due bigint;
BEGIN
  SELECT due_at INTO v_due FROM live WHERE state = 1 AND queue = p_queue ORDER BY due_at LIMIT 1;
  IF EXISTS (SELECT 1 FROM rules) THEN v_due := least(v_due, timed_at(p_queue, p_now)); END IF;
  RETURN v_due;
END $$
