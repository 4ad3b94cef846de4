-- Counts starts for the rate of a scope.
-- Parameters: key of the scope, its rule, broker time, how many
-- Cost: one row
-- Called by: claim_by_turns

CREATE OR REPLACE FUNCTION count_starts(p_key text, p_rule rules, p_now bigint, p_starts bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_width bigint := greatest(1, ceil(p_rule.rate_ms / 20.0));
  v_bucket bigint := p_now / v_width;
  v_back bigint := ceil(p_rule.rate_ms::numeric / v_width);
  v_buckets bigint[];
  v_starts bigint[];
BEGIN
  IF p_rule.rate_count IS NULL THEN RETURN; END IF;
  -- Starts counted with another window say nothing about this one.
  SELECT array_agg(b.bucket ORDER BY b.bucket), array_agg(b.starts ORDER BY b.bucket) INTO v_buckets, v_starts
  FROM scopes s, unnest(s.buckets, s.starts) AS b(bucket, starts)
  WHERE s.scope = p_key AND s.rate_ms = p_rule.rate_ms AND b.bucket >= v_bucket - v_back;
  IF v_buckets[cardinality(v_buckets)] >= v_bucket THEN
    v_starts[cardinality(v_starts)] := v_starts[cardinality(v_starts)] + p_starts;
  ELSE
    v_buckets := v_buckets || v_bucket;
    v_starts := v_starts || p_starts;
  END IF;
  INSERT INTO scopes (scope, queue, rate_ms, idle_at, buckets, starts)
  VALUES (p_key, NULL, p_rule.rate_ms, p_now + 2 * p_rule.rate_ms, v_buckets, v_starts)
  ON CONFLICT (scope) DO UPDATE SET
    rate_ms = excluded.rate_ms, idle_at = excluded.idle_at, buckets = excluded.buckets, starts = excluded.starts;
END $$
