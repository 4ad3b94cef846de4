-- Notes when the lanes that wait for room in a scope are to be looked at again: when its rate has some.
-- Parameters: key of the scope, broker time
-- Cost: O(active jobs of the scope)
-- Called by: the functions of turns

CREATE OR REPLACE FUNCTION retime(p_key text, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_rule rules := rule_at(p_key);
  v_at bigint;
BEGIN
  IF v_rule.rate_count IS NULL THEN
    UPDATE scopes SET open_at = NULL WHERE scope = p_key AND open_at IS NOT NULL;
    RETURN;
  END IF;
  IF EXISTS (SELECT 1 FROM lanes WHERE waits = p_key) THEN
    SELECT more_at INTO v_at FROM scope_room(p_key, v_rule, p_now);
  END IF;
  UPDATE scopes SET open_at = v_at WHERE scope = p_key AND open_at IS DISTINCT FROM v_at;
END $$
