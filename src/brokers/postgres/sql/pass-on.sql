-- An open lane has left the turns: room that it might have used goes to one that waits for it.
-- Parameters: the lane, broker time
-- Cost: O(active jobs of its scopes)
-- Called by: claim_by_turns

CREATE OR REPLACE FUNCTION pass_on(p_lane lanes, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_key text;
BEGIN
  FOREACH v_key IN ARRAY lane_scopes(p_lane) LOOP
    CONTINUE WHEN NOT EXISTS (SELECT 1 FROM lanes WHERE waits = v_key);
    IF (SELECT room FROM scope_room(v_key, rule_at(v_key), p_now)) > 0 THEN
      PERFORM open_waiting(v_key, p_lane.queue, p_lane.suspect, 1);
      PERFORM retime(v_key, p_now);
    END IF;
  END LOOP;
END $$
