-- Pairs of queue and task by their numbers.
-- Returns: id, queue, task
-- Cost: O(ids)
-- Called by: kinds.ts

CREATE OR REPLACE FUNCTION read_kinds(p_ids integer[]) RETURNS TABLE (id integer, queue text, task text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
SELECT k.id, q.name, t.name FROM unnest(p_ids) AS i(id) JOIN kinds k ON k.id = i.id
JOIN names q ON q.id = k.queue JOIN names t ON t.id = k.task
$$
