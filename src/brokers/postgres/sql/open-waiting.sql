-- Opens lanes of a queue that wait for room in a scope, those whose turn it is first.
-- Parameters: key of the scope, queue, suspects or others, the most lanes
-- Returns: how many
-- Cost: O(lanes opened)
-- Called by: fill_lanes, pass_on

CREATE OR REPLACE FUNCTION open_waiting(p_key text, p_queue integer, p_suspect boolean, p_most bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_count integer;
BEGIN
  UPDATE lanes SET waits = NULL WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM lanes WHERE waits = p_key AND queue = p_queue AND suspect = p_suspect
    ORDER BY turn LIMIT least(p_most, 500)
  ));
  GET DIAGNOSTICS v_count = ROW_COUNT;
  IF v_count > 0 THEN PERFORM wake(ARRAY[p_queue]); END IF;
  RETURN v_count;
END $$
