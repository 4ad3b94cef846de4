-- Opens lanes of each queue that wait for room in a scope, as far as it has some.
-- Parameters: key of the scope, the most lanes a queue, broker time
-- Cost: O(queues whose lanes wait + lanes opened)
-- Called by: read_inbox, open_timed

CREATE OR REPLACE FUNCTION fill_lanes(p_key text, p_most bigint, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_room bigint;
  v_at record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM lanes WHERE waits = p_key) THEN RETURN; END IF;
  SELECT least(room, p_most) INTO v_room FROM scope_room(p_key, rule_at(p_key), p_now);
  IF v_room > 0 THEN
    FOR v_at IN SELECT DISTINCT queue, suspect FROM lanes WHERE waits = p_key ORDER BY queue, suspect LOOP
      PERFORM open_waiting(p_key, v_at.queue, v_at.suspect, v_room);
    END LOOP;
  END IF;
  PERFORM retime(p_key, p_now);
END $$
