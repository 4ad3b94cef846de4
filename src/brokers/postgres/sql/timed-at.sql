-- When a rate for which lanes of a queue wait has room.
-- Parameters: queue, broker time
-- Returns: broker time or null
-- Cost: a few rows as a rule
-- Called by: next_due

CREATE OR REPLACE FUNCTION timed_at(p_queue integer, p_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_at bigint;
  v_rule rules := rule_of('q', p_queue);
  v_more record;
BEGIN
  SELECT s.open_at INTO v_at FROM scopes s
  WHERE s.open_at IS NOT NULL AND EXISTS (SELECT 1 FROM lanes l WHERE l.waits = s.scope AND l.queue = p_queue)
  ORDER BY s.open_at LIMIT 1;
  IF v_rule.rate_count IS NOT NULL AND EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue AND waits IS NULL) THEN
    SELECT * INTO v_more FROM scope_room('q' || p_queue, v_rule, p_now);
    IF v_more.room = 0 THEN v_at := least(v_at, v_more.more_at); END IF;
  END IF;
  RETURN v_at;
END $$
