-- Sets or clears limits. Workers repeat theirs at each start: what does not change anything costs nothing. Claims under way
-- end first, and none begins before the slots of what is active are counted anew, so that a limit holds from the next on.
-- Parameters: for each rule its scope (q, t, p), name, source (0 declared, 1 set), whether it is cleared, jobs at once,
--   starts, in how long (ms)
-- Cost: O(rules); where one changes, O(active jobs) besides
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION set_limits(
  p_scopes text[], p_names text[], p_sources smallint[], p_cleared boolean[], p_concurrency bigint[],
  p_rate_counts bigint[], p_rate_ms bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_rule rules;
  v_cleared boolean;
  v_changed rules[] := '{}';
  v_locked boolean := false;
BEGIN
  FOR i IN 1 .. cardinality(p_scopes) LOOP
    v_cleared := p_cleared[i];
    v_rule := NULL;
    v_rule.scope := p_scopes[i]::"char";
    v_rule.name := name_id(p_names[i]);
    v_rule.source := p_sources[i];
    v_rule.concurrency := p_concurrency[i];
    v_rule.rate_count := p_rate_counts[i];
    v_rule.rate_ms := p_rate_ms[i];
    IF v_rule.scope <> 't' THEN
      INSERT INTO queues (queue) VALUES (v_rule.name) ON CONFLICT (queue) DO NOTHING;
    END IF;
    CONTINUE WHEN NOT rule_differs(v_rule, v_cleared);
    IF NOT v_locked THEN
      PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' rules', 0));
      PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' lanes', 0));
      v_locked := true;
      CONTINUE WHEN NOT rule_differs(v_rule, v_cleared);
    END IF;
    DELETE FROM rules WHERE scope = v_rule.scope AND name = v_rule.name AND source = v_rule.source;
    IF NOT v_cleared THEN INSERT INTO rules SELECT v_rule.*; END IF;
    v_changed := v_changed || v_rule;
  END LOOP;
  IF cardinality(v_changed) = 0 THEN RETURN; END IF;
  PERFORM count_slots(v_changed);
  FOREACH v_rule IN ARRAY v_changed LOOP PERFORM look_again(v_rule.scope, v_rule.name); END LOOP;
END $$
