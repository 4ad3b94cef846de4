-- The number of a name, made where there is none.
-- Returns: id
-- Cost: one row
-- Called by: kind_id, reserve_jobs, the functions of queues and limits

CREATE OR REPLACE FUNCTION name_id(p_name text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_id integer;
BEGIN
  LOOP
    SELECT id INTO v_id FROM names WHERE name = p_name;
    IF FOUND THEN RETURN v_id; END IF;
    INSERT INTO names (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING RETURNING id INTO v_id;
    IF FOUND THEN RETURN v_id; END IF;
  END LOOP;
END $$
