-- Whether more than the queue's own lane is to be looked at: it has other lanes, or a limit bounds it or a task.
-- Parameters: queue
-- Cost: a few rows of tables that are empty as a rule
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION takes_turns(p_queue integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue) OR EXISTS (SELECT 1 FROM inbox WHERE queue = p_queue)
    OR EXISTS (SELECT 1 FROM rules WHERE scope = 't' OR (scope = 'q' AND name = p_queue));
END $$
