-- The first number of a job that was enqueued at or after a time: found by halving, as both grow. Nearly, since jobs of
-- several connections are in order only nearly.
-- Parameters: broker time
-- Cost: some forty rows
-- Called by: find_jobs

CREATE OR REPLACE FUNCTION seq_at(p_at bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_low bigint := 1;
  v_high bigint := coalesce(pg_sequence_last_value('seqs'::regclass), 0) + 1;
  v_middle bigint;
  v_seq bigint;
  v_created bigint;
BEGIN
  WHILE v_low < v_high LOOP
    v_middle := (v_low + v_high) / 2;
    SELECT seq, created_at INTO v_seq, v_created FROM jobs WHERE seq >= v_middle ORDER BY seq LIMIT 1;
    IF NOT FOUND OR v_created >= p_at THEN v_high := v_middle;
    ELSE v_low := v_seq + 1;
    END IF;
  END LOOP;
  RETURN v_low;
END $$
