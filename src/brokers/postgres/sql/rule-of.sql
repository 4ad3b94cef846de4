-- The limit in force for a scope: the one that a person has set wins over the one declared by code.
-- Parameters: q, t or p; number of the queue or task
-- Returns: the rule, or nulls
-- Cost: one row
-- Called by: the functions of turns and limits

CREATE OR REPLACE FUNCTION rule_of(p_scope "char", p_name integer) RETURNS rules LANGUAGE plpgsql AS $$
DECLARE
  v_rule rules;
BEGIN
  SELECT * INTO v_rule FROM rules WHERE scope = p_scope AND name = p_name ORDER BY source DESC LIMIT 1;
  RETURN v_rule;
END $$
