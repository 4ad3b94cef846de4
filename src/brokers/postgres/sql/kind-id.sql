-- The number of a pair of queue and task, made where there is none.
-- Returns: id and the number of the queue and the task
-- Cost: one row
-- Called by: enqueue_jobs, register_kinds

CREATE OR REPLACE FUNCTION kind_id(p_queue text, p_task text, OUT id integer, OUT queue integer, OUT task integer)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_id integer; v_queue integer; v_task integer;
BEGIN
  SELECT k.id, k.queue, k.task INTO v_id, v_queue, v_task
  FROM names q, names t, kinds k
  WHERE q.name = p_queue AND t.name = p_task AND k.queue = q.id AND k.task = t.id;
  IF NOT FOUND THEN
    v_queue := name_id(p_queue);
    v_task := name_id(p_task);
    INSERT INTO kinds (queue, task) VALUES (v_queue, v_task) ON CONFLICT (queue, task) DO NOTHING;
    SELECT k.id INTO v_id FROM kinds k WHERE k.queue = v_queue AND k.task = v_task;
  END IF;
  id := v_id;
  queue := v_queue;
  task := v_task;
END $$
