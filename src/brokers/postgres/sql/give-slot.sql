-- Says that a slot of a scope is free, to the lanes that wait for it.
-- Parameters: key of the scope
-- Cost: one row
-- Called by: mark_slots

CREATE OR REPLACE FUNCTION give_slot(p_key text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_name integer := substring(p_key FROM '^.([0-9]+)')::integer;
BEGIN
  IF left(p_key, 1) = 'q' THEN
    PERFORM wake(ARRAY[v_name]);
    RETURN;
  END IF;
  INSERT INTO inbox (queue, task, suspect, freed, partition) VALUES (
    CASE left(p_key, 1) WHEN 'p' THEN v_name ELSE 0 END, CASE left(p_key, 1) WHEN 't' THEN v_name ELSE 0 END, false, true,
    CASE left(p_key, 1) WHEN 'p' THEN substring(p_key FROM position('/' IN p_key) + 1) ELSE '' END);
END $$
