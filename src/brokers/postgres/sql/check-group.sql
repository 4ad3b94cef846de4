-- Looks at a group before anything of it is written: whether an id belongs to another task, or a dependency is missing.
-- Parameters: first and last job of the group; as enqueue_jobs
-- Returns: the job at fault, its status, the other task or the missing id; nulls where all is well
-- Cost: O(jobs + dependencies)
-- Called by: enqueue_special

CREATE OR REPLACE FUNCTION check_group(
  p_from integer, p_to integer, p_tasks text[], p_pairs integer[], p_ids text[], p_flags integer[], p_uniques text[],
  p_after_jobs integer[], p_after_ids text[], OUT fault integer, OUT status smallint, OUT other text
) LANGUAGE plpgsql AS $$
DECLARE
  v_planned text[] := '{}';
  v_planned_tasks text[] := '{}';
  v_keys text[] := '{}';
  v_task text;
  v_at integer;
BEGIN
  FOR i IN p_from .. p_to LOOP
    v_at := array_position(v_planned, p_ids[i]);
    IF v_at IS NULL THEN
      SELECT t.name INTO v_task FROM jobs j, kinds k, names t WHERE j.id = p_ids[i] AND k.id = j.kind AND t.id = k.task;
    ELSE
      v_task := v_planned_tasks[v_at];
    END IF;
    IF v_task IS NOT NULL THEN
      CONTINUE WHEN v_task = p_tasks[p_pairs[i]];
      fault := i;
      status := 3;
      other := v_task;
      RETURN;
    END IF;
    IF p_uniques[i] IS NOT NULL THEN
      -- What a key keeps out is a duplicate, whatever else it asks for.
      IF p_uniques[i] = ANY (v_keys) THEN CONTINUE WHEN (p_flags[i] & 65536) = 0;
      ELSE CONTINUE WHEN key_keeper(p_uniques[i], (p_flags[i] & 65536) <> 0) IS NOT NULL;
      END IF;
      v_keys := v_keys || p_uniques[i];
    END IF;
    IF (p_flags[i] & 8) <> 0 THEN
      SELECT a.id INTO other FROM unnest(p_after_jobs, p_after_ids) WITH ORDINALITY AS a(job, id, n)
      WHERE a.job = i AND a.id <> ALL (v_planned) AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = a.id)
      ORDER BY a.n LIMIT 1;
      IF FOUND THEN
        fault := i;
        status := 4;
        RETURN;
      END IF;
    END IF;
    v_planned := v_planned || p_ids[i];
    v_planned_tasks := v_planned_tasks || p_tasks[p_pairs[i]];
  END LOOP;
END $$
