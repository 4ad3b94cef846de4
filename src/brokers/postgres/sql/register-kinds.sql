-- Makes pairs of queue and task known, so that a transaction of the user's finds them: one that made them itself would
-- have everybody else who needs them wait for its end.
-- Parameters: pairs of queue and task
-- Cost: O(pairs)
-- Called by: within.ts, once a pair and process

CREATE OR REPLACE FUNCTION register_kinds(p_queues text[], p_tasks text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp AS $$
BEGIN
  PERFORM kind_id(p.queue, p.task) FROM unnest(p_queues, p_tasks) AS p(queue, task);
END $$
