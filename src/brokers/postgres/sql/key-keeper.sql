-- The job because of which a new one with a unique key is a duplicate.
-- Parameters: key, whether the new job would replace one that waits
-- Returns: its id, or null
-- Cost: one row
-- Called by: check_group, enqueue_one

CREATE OR REPLACE FUNCTION key_keeper(p_key text, p_replace boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_id text;
BEGIN
  SELECT j.id INTO v_id FROM unique_keys u JOIN jobs j ON j.seq = u.seq
  WHERE u.key = p_key
    AND (NOT p_replace OR EXISTS (SELECT 1 FROM live l WHERE l.state = 3 AND l.seq = u.seq));
  RETURN v_id;
END $$
