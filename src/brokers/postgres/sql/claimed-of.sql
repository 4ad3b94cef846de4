-- Which of some jobs are still claimed. Jobs that were claimed together stand side by side as a rule, so that one walk
-- over the index tells, which is short where they have all been settled.
-- Parameters: numbers of the jobs
-- Returns: those still claimed, in the same order, or null
-- Cost: O(jobs)
-- Called by: reclaim_lost

CREATE OR REPLACE FUNCTION claimed_of(p_seqs bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  v_first bigint;
  v_last bigint;
  v_found bigint[];
BEGIN
  SELECT min(seq), max(seq) INTO v_first, v_last FROM unnest(p_seqs) AS s(seq);
  IF v_last - v_first < 8 * cardinality(p_seqs) THEN
    v_found := ARRAY(SELECT seq FROM live WHERE state = 3 AND seq BETWEEN v_first AND v_last);
    IF cardinality(v_found) = 0 THEN RETURN NULL; END IF;
  END IF;
  RETURN (
    SELECT array_agg(s.seq ORDER BY s.n) FROM unnest(p_seqs) WITH ORDINALITY AS s(seq, n)
    JOIN live l ON l.state = 3 AND l.seq = s.seq
  );
END $$
