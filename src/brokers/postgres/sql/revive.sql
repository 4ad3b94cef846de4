-- Runs an ended job again from the start, at the end of its lane: no failures and no crashes are counted any more. Whoever
-- calls holds its row.
-- Parameters: the job
-- Returns: false where another has its unique key
-- Cost: O(dependencies)
-- Called by: steer_one

CREATE OR REPLACE FUNCTION revive(p_ended ended) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_job jobs;
  v_past past;
  v_live live;
  v_parent bigint;
BEGIN
  SELECT * INTO v_job FROM jobs WHERE seq = p_ended.seq;
  v_live.flags := p_ended.flags & ~2048 | 512 | 4096;
  IF v_job.unique_key IS NOT NULL THEN
    INSERT INTO unique_keys (key, seq) VALUES (v_job.unique_key, v_job.seq) ON CONFLICT (key) DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    v_live.flags := v_live.flags | (v_job.flags & 33);
  END IF;

  v_past := read_past(v_job.seq);
  v_past.failures := 0;
  v_past.crashes := 0;
  v_past.unknown_since := NULL;
  v_past.error := NULL;
  v_past.fingerprint := NULL;
  v_past.started_at := coalesce(p_ended.started_at, v_past.started_at);
  IF p_ended.outcome IS NOT NULL THEN
    v_past.settled_token := p_ended.token;
    v_past.settled_outcome := p_ended.outcome;
  END IF;
  PERFORM save_past(v_past);

  -- What it needed once it holds again, as far as that is still there.
  FOR v_parent IN SELECT DISTINCT j.seq FROM unnest(v_job.after) AS a(id) JOIN jobs j ON j.id = a.id ORDER BY 1 LOOP
    INSERT INTO edges (parent, child, needs_success, open) VALUES (v_parent, v_job.seq, false, false)
    ON CONFLICT (parent, child) DO NOTHING;
    v_live.flags := v_live.flags | 8;
    IF NOT tie(v_parent, v_job.seq) THEN
      INSERT INTO outbox (action, parent, child) VALUES (0, v_parent, v_job.seq);
    END IF;
  END LOOP;

  DELETE FROM ended WHERE state = p_ended.state AND seq = p_ended.seq;
  SELECT queue INTO v_live.queue FROM kinds WHERE id = v_job.kind;
  v_live.seq := v_job.seq;
  v_live.pos := next_place();
  v_live.token := 0;
  v_live.due_at := coalesce(v_past.due_at, v_job.due_at);
  v_live.expires_at := v_job.expires_at;
  v_live.kind := v_job.kind;
  v_live.priority := v_job.priority;
  v_live.started := false;
  v_live.partition := v_job.partition;
  v_live.lane := lane_key(false, limited_task(v_job.kind), v_job.partition);
  v_live.state := p_ended.state;
  PERFORM moved(v_live, 2);
  v_live.state := 2;
  INSERT INTO live SELECT v_live.*;
  PERFORM arrive(v_live.queue, v_live.lane, v_job.kind, false, v_job.partition);
  PERFORM wake(ARRAY[v_live.queue]);
  RETURN true;
END $$
