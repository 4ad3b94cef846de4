-- Makes a tie fast: marks the parent, so that its end looks for dependents; or, where it has ended meanwhile, has the
-- dependent hear of it. Whoever ends the parent holds its row, so one of the two sees the other.
-- Parameters: parent, child
-- Returns: false where somebody holds the parent or the child, a transaction of the user's, say: to be tried again
-- Cost: one row; O(dependencies of the child) where the parent was forgotten
-- Called by: spread, revive

CREATE OR REPLACE FUNCTION tie(p_parent bigint, p_child bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_state integer;
BEGIN
  SELECT state INTO v_state FROM live WHERE state IN (0, 1, 2, 3) AND seq = p_parent FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE live SET flags = flags | 4 WHERE state = v_state AND seq = p_parent;
    RETURN true;
  END IF;
  IF EXISTS (SELECT 1 FROM live WHERE state IN (0, 1, 2, 3) AND seq = p_parent) THEN RETURN false; END IF;
  UPDATE ended SET flags = flags | 4,
    prune_at = CASE WHEN EXISTS (SELECT 1 FROM edges WHERE parent = p_parent) THEN NULL ELSE prune_at END
  WHERE state IN (4, 5, 6) AND seq = p_parent RETURNING state INTO v_state;
  IF NOT FOUND THEN
    -- A person has run it again meanwhile; or it was forgotten at its end, before the tie was committed.
    IF EXISTS (SELECT 1 FROM live WHERE state IN (0, 1, 2, 3) AND seq = p_parent) THEN RETURN false; END IF;
    SELECT CASE WHEN bool_and(coalesce(t.outcome = 0, false)) THEN 4 END INTO v_state
    FROM jobs c, unnest(c.after) AS a(id) LEFT JOIN tombstones t ON t.id = a.id AND t.until > now_ms()
    WHERE c.seq = p_child AND NOT EXISTS (SELECT 1 FROM jobs p WHERE p.id = a.id);
  END IF;
  RETURN deliver(p_parent, p_child, coalesce(v_state = 4, false));
END $$
