-- Claims the first jobs of a lane that has room, with a slot in each scope that bounds it.
-- Parameters: the lane, keys of its limited scopes, broker time, end of the leases (ms), worker, the most jobs, how many of
--   the first count as started
-- Returns: numbers of the jobs in order
-- Cost: O(most)
-- Called by: claim_by_turns

CREATE OR REPLACE FUNCTION claim_of_lane(
  p_lane lanes, p_keys text[], p_now bigint, p_until bigint, p_worker integer, p_most bigint, p_starting integer
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  v_seqs bigint[];
  v_rows tid[];
  v_limited integer := CASE WHEN cardinality(p_keys) = 0 THEN 0 ELSE 1024 END;
BEGIN
  -- Locked, so they stay where they are, and are found there: see promote_due.
  SELECT array_agg(p.seq ORDER BY p.priority DESC, p.pos), array_agg(p.ctid ORDER BY p.priority DESC, p.pos)
  INTO v_seqs, v_rows FROM (
    SELECT seq, ctid, priority, pos FROM live
    WHERE state = 2 AND queue = p_lane.queue AND lane = p_lane.lane
      AND (expires_at IS NULL OR expires_at > p_now OR flags & 4096 <> 0)
    ORDER BY priority DESC, pos LIMIT p_most FOR UPDATE SKIP LOCKED
  ) p;
  IF v_seqs IS NULL THEN RETURN '{}'; END IF;
  UPDATE live l SET state = 3, token = s.token, lease_until = p_until, worker = p_worker, claimed_at = p_now,
    started = NOT p_lane.suspect AND s.n <= p_starting, flags = l.flags | v_limited
  FROM unnest(v_rows, ARRAY(SELECT nextval('tokens') FROM generate_series(1, cardinality(v_rows))))
    WITH ORDINALITY AS s(row, token, n)
  WHERE l.ctid = s.row;
  IF v_limited <> 0 THEN
    INSERT INTO slots (scope, seq, token)
    SELECT k.key, l.seq, l.token FROM unnest(p_keys) AS k(key), unnest(v_seqs) AS s(seq)
    JOIN live l ON l.state = 3 AND l.seq = s.seq
    ON CONFLICT (scope, seq) DO UPDATE SET token = excluded.token;
  END IF;
  RETURN v_seqs;
END $$
