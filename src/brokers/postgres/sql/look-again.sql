-- Has the lanes that wait for room under a rule look again: those close again that find none.
-- Parameters: scope (q, t, p), number of the queue or task
-- Cost: O(lanes that wait)
-- Called by: set_limits, under the locks of rules and lanes

CREATE OR REPLACE FUNCTION look_again(p_scope "char", p_name integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_first text := p_scope::text || p_name || CASE WHEN p_scope = 'p' THEN '/' ELSE '' END;
  v_end text := p_scope::text || p_name || CASE WHEN p_scope = 'p' THEN '0' ELSE chr(1) END;
  v_queues integer[];
BEGIN
  WITH opened AS (
    UPDATE lanes SET waits = NULL WHERE waits IS NOT NULL AND waits >= v_first AND waits < v_end RETURNING queue
  )
  SELECT array_agg(DISTINCT queue) INTO v_queues FROM opened;
  UPDATE scopes SET open_at = NULL WHERE scope >= v_first AND scope < v_end AND open_at IS NOT NULL;
  PERFORM wake(CASE WHEN p_scope = 'q' THEN v_queues || p_name ELSE v_queues END);
END $$
