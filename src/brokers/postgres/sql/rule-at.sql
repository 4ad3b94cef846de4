-- The limit in force for a scope by its key: `q5`, `t7`, `p5/acme`.
-- Called by: the functions of turns and limits

CREATE OR REPLACE FUNCTION rule_at(p_key text) RETURNS rules LANGUAGE plpgsql AS $$
BEGIN
  RETURN rule_of(left(p_key, 1)::"char", substring(p_key FROM '^.([0-9]+)')::integer);
END $$
