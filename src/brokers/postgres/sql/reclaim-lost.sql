-- Takes back jobs whose leases have ended. The leases of a claim are looked at together, when the first of them may end:
-- as a rule nothing of it is left by then.
-- Parameters: broker time, the most jobs
-- Returns: how many; whether there may be more
-- Cost: O(most), and at most 1,000 claims
-- Called by: maintain

CREATE OR REPLACE FUNCTION reclaim_lost(p_now bigint, p_most integer, OUT reclaimed integer, OUT more boolean)
LANGUAGE plpgsql AS $$
DECLARE
  v_lease leases;
  v_job live;
  v_left bigint[];
  v_until bigint;
  v_looks integer := 0;
BEGIN
  reclaimed := 0;
  -- One walk for all: where an old snapshot is about, it begins with whatever has been deleted since.
  FOR v_lease IN SELECT * FROM leases WHERE until <= p_now ORDER BY until LIMIT 1000 FOR UPDATE SKIP LOCKED LOOP
    EXIT WHEN reclaimed >= p_most;
    v_looks := v_looks + 1;
    v_left := claimed_of(v_lease.seqs);
    IF v_left IS NOT NULL THEN
      FOR v_job IN
        SELECT l.* FROM unnest(v_left) WITH ORDINALITY AS s(seq, n) JOIN live l ON l.state = 3 AND l.seq = s.seq
        WHERE l.lease_until <= p_now ORDER BY s.n LIMIT p_most - reclaimed FOR UPDATE OF l SKIP LOCKED
      LOOP
        PERFORM reclaim_one(v_job, p_now);
        reclaimed := reclaimed + 1;
      END LOOP;
      SELECT array_agg(l.seq ORDER BY s.n), min(l.lease_until) INTO v_left, v_until
      FROM unnest(v_left) WITH ORDINALITY AS s(seq, n) JOIN live l ON l.state = 3 AND l.seq = s.seq;
    END IF;
    IF v_left IS NULL THEN DELETE FROM leases WHERE token = v_lease.token;
    -- What somebody else holds at this moment is looked at a moment later; what was too much, by the next call.
    ELSE UPDATE leases SET until = CASE WHEN reclaimed >= p_most THEN v_until ELSE greatest(v_until, p_now + 100) END,
      seqs = v_left WHERE token = v_lease.token;
    END IF;
  END LOOP;
  more := reclaimed >= p_most OR v_looks = 1000;
END $$
