-- Does for active jobs what a change of limits could not, since others held them: marks them, so that their end gives back
-- their slots; and gives back the slots of those that have ended meanwhile.
-- Cost: O(slots) after such a change, else one row
-- Called by: maintain

CREATE OR REPLACE FUNCTION mark_slots() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_slot slots;
  v_left boolean := false;
  v_change text;
BEGIN
  SELECT value INTO v_change FROM meta WHERE key = 'unmarked';
  IF NOT FOUND THEN RETURN; END IF;
  FOR v_slot IN
    SELECT s.* FROM slots s LEFT JOIN live l ON l.state = 3 AND l.seq = s.seq AND l.token = s.token
    WHERE l.seq IS NULL OR l.flags & 1024 = 0
  LOOP
    UPDATE live SET flags = flags | 1024 WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM live WHERE state = 3 AND seq = v_slot.seq AND token = v_slot.token FOR UPDATE SKIP LOCKED));
    CONTINUE WHEN FOUND;
    IF EXISTS (SELECT 1 FROM live WHERE state = 3 AND seq = v_slot.seq AND token = v_slot.token) THEN
      v_left := true;
      CONTINUE;
    END IF;
    DELETE FROM slots WHERE scope = v_slot.scope AND seq = v_slot.seq AND token = v_slot.token;
    CONTINUE WHEN NOT FOUND;
    PERFORM give_slot(v_slot.scope);
  END LOOP;
  IF NOT v_left THEN DELETE FROM meta WHERE key = 'unmarked' AND value = v_change; END IF;
END $$
