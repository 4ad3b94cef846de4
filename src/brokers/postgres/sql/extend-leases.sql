-- Makes leases end later, never sooner, and records which have started.
-- Parameters: ids, tokens, which have started, length (ms)
-- Returns: for each 0 ok, 1 lost, 2 cancelling, 3 a transaction of the user's is about to end it
-- Cost: O(leases)
-- Called by: messages.ts

CREATE OR REPLACE FUNCTION extend_leases(p_ids text[], p_tokens bigint[], p_started boolean[], p_lease_ms bigint)
RETURNS smallint[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_now bigint := now_ms();
  v_answers smallint[] := array_fill(1::smallint, ARRAY[cardinality(p_ids)]);
  v_found record;
BEGIN
  FOR v_found IN
    WITH held AS MATERIALIZED (
      SELECT l.seq, l.token, h.n, h.started FROM unnest(p_ids, p_tokens, p_started) WITH ORDINALITY AS h(id, token, started, n)
      JOIN jobs j ON j.id = h.id JOIN live l ON l.state = 3 AND l.seq = j.seq AND l.token = h.token
    ), free AS MATERIALIZED (
      SELECT h.* FROM held h JOIN live l ON l.state = 3 AND l.seq = h.seq AND l.token = h.token ORDER BY h.seq FOR UPDATE OF l SKIP LOCKED
    ), extended AS (
      UPDATE live l SET lease_until = greatest(l.lease_until, v_now + p_lease_ms), started = l.started OR f.started,
        claimed_at = CASE WHEN f.started AND NOT l.started THEN v_now ELSE l.claimed_at END
      FROM free f WHERE l.state = 3 AND l.seq = f.seq AND l.token = f.token
      RETURNING f.n, l.flags
    )
    SELECT n, CASE WHEN flags & 2 <> 0 THEN 2 ELSE 0 END AS answer FROM extended
    UNION ALL SELECT n, 3 FROM held WHERE n NOT IN (SELECT n FROM extended)
  LOOP
    v_answers[v_found.n] := v_found.answer;
  END LOOP;
  RETURN v_answers;
END $$
