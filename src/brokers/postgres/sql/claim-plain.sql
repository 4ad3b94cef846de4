-- Claims jobs from a queue's own lane where nobody has to take turns: by priority, then first in, first out, each at most
-- once whoever claims beside. `lows` are places below which nothing stands (that was not given back), so that the claim
-- does not walk over what others have left behind in the index.
-- Parameters: queue, broker time, end of the leases (ms), worker, the most jobs, the most that count as started, the lowest
--   place for each priority (0 to 9)
-- Returns: numbers of the jobs in order, and what their rows say; for each priority the first place in which a job was seen, or null
-- Cost: O(most)
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION claim_plain(
  p_queue integer, p_now bigint, p_until bigint, p_worker integer, p_most integer, p_starting integer, p_lows bigint[],
  OUT seqs bigint[], OUT tokens bigint[], OUT kinds integer[], OUT priorities smallint[], OUT flags integer[],
  OUT dues bigint[], OUT heads bigint[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_rows tid[] := '{}';
  v_back boolean[];
BEGIN
  SELECT array_agg((SELECT pos FROM live WHERE state = 2 AND queue = p_queue AND lane = '' AND priority = p.n
      AND pos >= coalesce(p_lows[p.n + 1], 0) ORDER BY pos LIMIT 1) ORDER BY p.n),
    array_agg(EXISTS (SELECT 1 FROM live WHERE state = 2 AND queue = p_queue AND lane = '' AND priority = p.n AND pos < 0)
      ORDER BY p.n)
  INTO heads, v_back FROM generate_series(0, 9) AS p(n);
  FOR v_priority IN REVERSE 9 .. 0 LOOP
    EXIT WHEN cardinality(v_rows) >= p_most;
    IF v_back[v_priority + 1] THEN
      v_rows := v_rows || ARRAY(
        SELECT ctid FROM live WHERE state = 2 AND queue = p_queue AND lane = '' AND priority = v_priority AND pos < 0
          AND (expires_at IS NULL OR expires_at > p_now OR flags & 4096 <> 0)
        ORDER BY pos LIMIT p_most - cardinality(v_rows) FOR UPDATE SKIP LOCKED);
    END IF;
    CONTINUE WHEN heads[v_priority + 1] IS NULL OR cardinality(v_rows) >= p_most;
    v_rows := v_rows || ARRAY(
      SELECT ctid FROM live WHERE state = 2 AND queue = p_queue AND lane = '' AND priority = v_priority
        AND pos >= heads[v_priority + 1] AND (expires_at IS NULL OR expires_at > p_now OR flags & 4096 <> 0)
      ORDER BY pos LIMIT p_most - cardinality(v_rows) FOR UPDATE SKIP LOCKED);
  END LOOP;
  seqs := '{}';
  IF cardinality(v_rows) = 0 THEN RETURN; END IF;
  WITH claimed AS (
    UPDATE live l SET state = 3, token = r.token, lease_until = p_until, worker = p_worker, claimed_at = p_now,
      started = r.n <= p_starting
    FROM unnest(v_rows, ARRAY(SELECT nextval('tokens') FROM generate_series(1, cardinality(v_rows))))
      WITH ORDINALITY AS r(row, token, n)
    WHERE l.ctid = r.row
    RETURNING l.seq, l.token, l.kind, l.priority, l.flags, l.due_at, r.n
  )
  SELECT array_agg(c.seq), array_agg(c.token), array_agg(c.kind), array_agg(c.priority), array_agg(c.flags),
    CASE WHEN bool_or(c.due_at IS NOT NULL) THEN array_agg(c.due_at) END
  INTO seqs, tokens, kinds, priorities, flags, dues FROM (SELECT * FROM claimed ORDER BY n) c;
END $$
