-- Whether a rule is another than the one in store.
-- Parameters: the rule, whether it is cleared
-- Cost: one row
-- Called by: set_limits

CREATE OR REPLACE FUNCTION rule_differs(p_rule rules, p_cleared boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_there rules;
BEGIN
  SELECT * INTO v_there FROM rules WHERE scope = p_rule.scope AND name = p_rule.name AND source = p_rule.source;
  IF p_cleared OR NOT FOUND THEN RETURN p_cleared = (v_there.scope IS NOT NULL); END IF;
  RETURN v_there IS DISTINCT FROM p_rule;
END $$
