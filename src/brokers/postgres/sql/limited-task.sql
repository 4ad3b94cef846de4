-- The task of a kind where it has a limit, else 0.
-- Cost: one row of a table that is empty as a rule
-- Called by: whatever makes jobs ready

CREATE OR REPLACE FUNCTION limited_task(p_kind integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_task integer;
BEGIN
  SELECT r.name INTO v_task FROM kinds k, rules r WHERE k.id = p_kind AND r.scope = 't' AND r.name = k.task LIMIT 1;
  RETURN coalesce(v_task, 0);
END $$
