-- How many more jobs of a scope may start now, and when its rate has more room where that is what leaves least.
-- A rate is a sliding window of 20 buckets and one: never exceeded, at most one bucket's share below (job/rates.ts).
-- Parameters: key of the scope, its rule, broker time
-- Returns: room, at most 1,000,000; broker time or null
-- Cost: O(active jobs of the scope)
-- Called by: claim_by_turns, fill_lanes, retime, timed_at, pass_on

CREATE OR REPLACE FUNCTION scope_room(p_key text, p_rule rules, p_now bigint, OUT room bigint, OUT more_at bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_width bigint;
  v_back bigint;
  v_used bigint;
  v_oldest bigint;
  v_rate_room bigint;
  v_scope scopes;
BEGIN
  room := 1000000;
  IF p_rule.concurrency IS NOT NULL THEN
    SELECT greatest(0, p_rule.concurrency - count(*)) INTO room FROM slots s
    WHERE s.scope = p_key AND EXISTS (SELECT 1 FROM live l WHERE l.state = 3 AND l.seq = s.seq AND l.token = s.token);
  END IF;
  IF p_rule.rate_count IS NULL THEN RETURN; END IF;
  v_width := greatest(1, ceil(p_rule.rate_ms / 20.0));
  v_back := ceil(p_rule.rate_ms::numeric / v_width);
  SELECT * INTO v_scope FROM scopes WHERE scope = p_key AND rate_ms = p_rule.rate_ms;
  SELECT coalesce(sum(b.starts), 0), min(b.bucket) INTO v_used, v_oldest
  FROM unnest(v_scope.buckets, v_scope.starts) AS b(bucket, starts) WHERE b.bucket >= p_now / v_width - v_back;
  v_rate_room := greatest(0, p_rule.rate_count - v_used);
  IF room > v_rate_room THEN
    room := v_rate_room;
    more_at := (coalesce(v_oldest, p_now / v_width) + v_back + 1) * v_width;
  END IF;
END $$
