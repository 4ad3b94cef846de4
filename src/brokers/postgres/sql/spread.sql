-- Carries out what followed from steps: ties, deliveries to dependents, workflows that were published, records that are
-- needed no longer. Nobody waits here: what others hold at this moment, or a transaction of the user's, is left for later.
-- Parameters: the most that is delivered
-- Returns: how many were; whether more is to be done, now or as soon as others are done with it
-- Cost: O(most)
-- Called by: enqueue_special, settle_jobs, reserve_jobs, maintain, the steering functions

CREATE OR REPLACE FUNCTION spread(p_most integer, OUT spreaded integer, OUT more boolean) LANGUAGE plpgsql AS $$
DECLARE
  v_row outbox;
  v_child bigint;
  v_done integer := 0;
  v_looks integer := 0;
  v_count integer;
  v_whole boolean;
  v_last bigint := 0;
  v_held bigint[] := '{}';
BEGIN
  WHILE v_done < p_most AND v_looks < 10 * p_most LOOP
    v_looks := v_looks + 1;
    SELECT * INTO v_row FROM outbox WHERE id > v_last ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
    EXIT WHEN NOT FOUND;
    v_last := v_row.id;
    v_count := 0;
    v_whole := true;
    CASE v_row.action
      WHEN 0 THEN v_whole := tie(v_row.parent, v_row.child);
      WHEN 1 THEN
        FOR v_child IN
          SELECT child FROM edges WHERE parent = v_row.parent AND open ORDER BY child LIMIT p_most - v_done
        LOOP
          v_whole := deliver(v_row.parent, v_child, v_row.success) AND v_whole;
          v_count := v_count + 1;
        END LOOP;
      WHEN 2 THEN v_count := publish_some(v_row.workflow, v_row.child, p_most - v_done);
      WHEN 3 THEN PERFORM let_prune(v_row.parent);
    END CASE;
    v_done := v_done + v_count;
    -- A full share may not have been all there was. Ties and records cost little: ten count for one.
    IF v_whole AND (v_row.action IN (0, 3) OR v_done < p_most) THEN DELETE FROM outbox WHERE id = v_row.id; END IF;
    IF NOT v_whole THEN v_held := v_held || v_row.id; END IF;
  END LOOP;
  spreaded := v_done;
  more := EXISTS (SELECT 1 FROM outbox WHERE id <> ALL (v_held));
END $$
