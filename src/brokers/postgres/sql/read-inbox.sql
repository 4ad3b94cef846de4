-- Does what has come since the last claim by turns: gives new lanes their place, and opens lanes for slots that are free.
-- Parameters: broker time, the most rows
-- Returns: how many rows
-- Cost: O(rows + lanes opened)
-- Called by: claim_by_turns, maintain; under the lock of the lanes

CREATE OR REPLACE FUNCTION read_inbox(p_now bigint, p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_row inbox;
  v_count integer := 0;
BEGIN
  FOR v_row IN
    WITH taken AS (DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox ORDER BY id LIMIT p_most)) RETURNING *)
    SELECT * FROM taken ORDER BY id
  LOOP
    v_count := v_count + 1;
    IF NOT v_row.freed THEN
      PERFORM join_own(v_row.queue);
      PERFORM join_turns(v_row.queue, v_row.task, v_row.suspect, v_row.partition);
      CONTINUE;
    END IF;
    IF EXISTS (SELECT 1 FROM rules WHERE scope = 't' AND name = v_row.task) THEN
      PERFORM fill_lanes('t' || v_row.task, 1, p_now);
    END IF;
    IF v_row.partition <> '' AND EXISTS (SELECT 1 FROM rules WHERE scope = 'p' AND name = v_row.queue) THEN
      PERFORM fill_lanes('p' || v_row.queue || '/' || v_row.partition, 1, p_now);
    END IF;
  END LOOP;
  RETURN v_count;
END $$
