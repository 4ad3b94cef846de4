-- Has the record of an ended job go in its time, where no unfinished job needs it any longer.
-- Parameters: the job
-- Cost: one row
-- Called by: spread

CREATE OR REPLACE FUNCTION let_prune(p_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Whoever ends the last two dependents at once takes turns here, and the second sees that none is left.
  PERFORM 1 FROM ended WHERE state IN (4, 5, 6) AND seq = p_seq FOR UPDATE;
  IF EXISTS (SELECT 1 FROM edges WHERE parent = p_seq) THEN RETURN; END IF;
  UPDATE ended e SET prune_at = e.ended_at + coalesce(
    CASE e.state WHEN 4 THEN j.keep_succeeded WHEN 5 THEN j.keep_failed ELSE j.keep_cancelled END,
    CASE e.state WHEN 4 THEN 3600000 ELSE 1209600000 END)
  FROM jobs j WHERE e.state IN (4, 5, 6) AND e.seq = p_seq AND j.seq = p_seq AND e.prune_at IS NULL;
END $$
