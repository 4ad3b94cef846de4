-- Writes a job with all its ties. In a transaction of the user's (deferred) nothing is locked that others need: the ties
-- are made fast by `spread` once it is committed.
-- Parameters: the job without its number; queue and task; broker time; for each of its dependencies whether it has to
--   succeed; deferred
-- Returns: status and the other job, as enqueue_jobs
-- Cost: O(dependencies)
-- Called by: enqueue_special

CREATE OR REPLACE FUNCTION enqueue_one(
  p_job jobs, p_queue integer, p_task text, p_now bigint, p_success boolean[], p_deferred boolean,
  OUT status smallint, OUT other text
) LANGUAGE plpgsql AS $$
DECLARE
  v_holder bigint;
  v_state integer;
  v_replaced boolean := false;
  v_live live;
  v_parent record;
  v_waits integer := 0;
  v_hopeless boolean := false;
  v_replace boolean := (p_job.flags & 65536) <> 0;
  v_staged boolean := (p_job.flags & 128) <> 0;
BEGIN
  SELECT CASE WHEN t.name = p_task THEN 1 ELSE 3 END, CASE WHEN t.name = p_task THEN p_job.id ELSE t.name END
  INTO status, other FROM jobs j, kinds k, names t WHERE j.id = p_job.id AND k.id = j.kind AND t.id = k.task;
  IF FOUND THEN RETURN; END IF;
  p_job.seq := next_place();
  p_job.flags := p_job.flags & ~65536;

  IF p_job.unique_key IS NOT NULL THEN
    LOOP
      INSERT INTO unique_keys (key, seq) VALUES (p_job.unique_key, p_job.seq) ON CONFLICT (key) DO NOTHING;
      EXIT WHEN FOUND;
      -- Only what is to be replaced is locked: others need the rest.
      SELECT j.id, l.seq, l.state INTO other, v_holder, v_state FROM unique_keys u
      JOIN live l ON l.state IN (0, 1, 2, 3) AND l.seq = u.seq JOIN jobs j ON j.seq = u.seq WHERE u.key = p_job.unique_key;
      IF NOT FOUND THEN
        -- Its holder has just ended; one that never lived would have us here for ever.
        DELETE FROM unique_keys u WHERE key = p_job.unique_key AND NOT EXISTS (
          SELECT 1 FROM live l WHERE l.state IN (0, 1, 2, 3) AND l.seq = u.seq);
        CONTINUE;
      END IF;
      IF NOT v_replace OR v_state = 3 THEN
        status := 2;
        RETURN;
      END IF;
      IF p_deferred THEN PERFORM pg_advisory_xact_lock(users_lock(v_holder)); END IF;
      SELECT * INTO v_live FROM live WHERE state IN (0, 1, 2) AND seq = v_holder FOR UPDATE;
      CONTINUE WHEN NOT FOUND;
      PERFORM end_job(v_live, 6, 8, p_now);
      v_replaced := true;
      other := NULL;
    END LOOP;
  END IF;

  -- Of parents that end at this moment the outbox tells; see `tie`.
  FOR v_parent IN
    SELECT DISTINCT ON (a.id) j.seq, l.seq IS NOT NULL AS waits, a.success, e.state
    FROM unnest(p_job.after, p_success) WITH ORDINALITY AS a(id, success, n)
    LEFT JOIN jobs j ON j.id = a.id
    LEFT JOIN live l ON l.state IN (0, 1, 2, 3) AND l.seq = j.seq
    LEFT JOIN ended e ON e.state IN (4, 5, 6) AND e.seq = j.seq
    ORDER BY a.id, a.n DESC
  LOOP
    IF NOT v_parent.waits AND v_parent.success AND v_parent.state IS DISTINCT FROM 4 THEN v_hopeless := true; END IF;
    IF v_parent.waits THEN v_waits := v_waits + 1; END IF;
    CONTINUE WHEN v_parent.seq IS NULL;
    INSERT INTO edges (parent, child, needs_success, open)
    VALUES (v_parent.seq, p_job.seq, v_parent.success, v_parent.waits);
    INSERT INTO outbox (action, parent, child) VALUES (0, v_parent.seq, p_job.seq);
  END LOOP;
  IF v_staged THEN v_waits := v_waits + 1; END IF;

  INSERT INTO jobs SELECT p_job.* ON CONFLICT (id) DO NOTHING;
  IF NOT FOUND THEN
    -- Somebody else stored the id since it was looked for, the same job perhaps, which must not replace itself.
    IF v_replaced THEN RAISE EXCEPTION 'stored meanwhile' USING ERRCODE = 'OF003'; END IF;
    DELETE FROM unique_keys WHERE key = p_job.unique_key AND seq = p_job.seq;
    DELETE FROM outbox WHERE child = p_job.seq AND action = 0;
    DELETE FROM edges WHERE child = p_job.seq;
    SELECT CASE WHEN t.name = p_task THEN 1 ELSE 3 END, CASE WHEN t.name = p_task THEN p_job.id ELSE t.name END
    INTO status, other FROM jobs j, kinds k, names t WHERE j.id = p_job.id AND k.id = j.kind AND t.id = k.task;
    RETURN;
  END IF;
  status := 0;
  PERFORM place_new(p_job, p_queue, p_now, v_waits, v_hopeless);
  IF v_staged AND NOT v_hopeless THEN
    INSERT INTO workflows (workflow, staged_at) VALUES (p_job.workflow, p_now)
    ON CONFLICT (workflow) DO UPDATE SET staged_at = excluded.staged_at;
  END IF;
END $$
