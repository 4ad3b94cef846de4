-- Tells a dependent that a job it waits for has ended. Once: the tie is open only until then.
-- Parameters: parent, child, whether the parent has succeeded
-- Returns: false where somebody holds the child, a transaction of the user's, say: to be tried again
-- Cost: one row
-- Called by: spread, tie

CREATE OR REPLACE FUNCTION deliver(p_parent bigint, p_child bigint, p_success boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_needs_success boolean;
  v_child live;
BEGIN
  SELECT * INTO v_child FROM live WHERE state = 0 AND seq = p_child FOR UPDATE SKIP LOCKED;
  IF NOT FOUND AND EXISTS (SELECT 1 FROM live WHERE state = 0 AND seq = p_child) THEN RETURN false; END IF;
  UPDATE edges SET open = false WHERE parent = p_parent AND child = p_child AND open
  RETURNING needs_success INTO v_needs_success;
  -- Told before; or cancelled, removed, or run by a person in the meantime.
  IF NOT FOUND OR v_child.seq IS NULL THEN RETURN true; END IF;
  IF v_needs_success AND NOT p_success THEN PERFORM end_job(v_child, 6, 7, now_ms());
  ELSE PERFORM one_less(v_child);
  END IF;
  RETURN true;
END $$
