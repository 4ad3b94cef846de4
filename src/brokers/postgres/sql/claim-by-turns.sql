-- Claims jobs of a queue whose lanes take turns, within the limits of queue, tasks and partitions. One claim at a time in
-- the whole namespace, so that no limit is exceeded; what others change meanwhile comes by the inbox and by slots, which
-- make nobody wait.
-- Parameters: queue, broker time, end of the leases (ms), worker, the most jobs, how many of the first count as started,
--   how many suspects may be among them
-- Returns: numbers of the jobs in order, and what their rows say; how many suspects may still come; whether it stopped before it had seen all;
--   whether others held the first job of a lane, in a transaction of the user's perhaps
-- Cost: O(max + lanes that close on the way)
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION claim_by_turns(
  p_queue integer, p_now bigint, p_until bigint, p_worker integer, p_most integer, p_starting integer, p_suspects integer,
  OUT seqs bigint[], OUT tokens bigint[], OUT kinds integer[], OUT priorities smallint[], OUT flags integer[],
  OUT dues bigint[], OUT suspects integer, OUT unsorted boolean, OUT stuck boolean
) LANGUAGE plpgsql AS $$
DECLARE
  v_queue_rule rules := rule_of('q', p_queue);
  v_queue_room bigint := 1000000;
  v_any_task_rule boolean := EXISTS (SELECT 1 FROM rules WHERE scope = 't');
  v_any_rule boolean := EXISTS (SELECT 1 FROM rules);
  v_lane lanes;
  v_head live;
  v_keys text[];
  v_key text;
  v_full text;
  v_task integer;
  v_moves integer := 0;
  v_stuck text[] := '{}';
  v_alone boolean;
  v_scope text[] := '{}';
  v_room bigint[] := '{}';
  v_taken bigint[] := '{}';
  v_at integer;
  v_batch integer;
  v_claimed bigint[];
  v_left lanes[] := '{}';
BEGIN
  seqs := '{}';
  suspects := p_suspects;
  unsorted := false;
  stuck := false;
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' lanes', 0));
  PERFORM join_own(p_queue);
  unsorted := read_inbox(p_now, 500) = 500;
  PERFORM open_timed(p_now);
  IF v_queue_rule.scope IS NOT NULL THEN
    SELECT room INTO v_queue_room FROM scope_room('q' || p_queue, v_queue_rule, p_now);
  END IF;

  WHILE cardinality(seqs) < p_most AND v_queue_room > 0 LOOP
    v_lane := NULL;
    IF suspects > 0 THEN
      SELECT * INTO v_lane FROM lanes WHERE queue = p_queue AND suspect AND waits IS NULL AND lane <> ALL (v_stuck)
      ORDER BY turn LIMIT 1;
    END IF;
    IF v_lane.lane IS NULL THEN
      SELECT * INTO v_lane FROM lanes WHERE queue = p_queue AND NOT suspect AND waits IS NULL AND lane <> ALL (v_stuck)
      ORDER BY turn LIMIT 1;
    END IF;
    EXIT WHEN v_lane.lane IS NULL;

    SELECT * INTO v_head FROM live WHERE state = 2 AND queue = p_queue AND lane = v_lane.lane
    ORDER BY priority DESC, pos LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      IF EXISTS (SELECT 1 FROM live WHERE state = 2 AND queue = p_queue AND lane = v_lane.lane) THEN
        -- Somebody holds what stands there, for a cancel, say: the others have their turn.
        v_stuck := v_stuck || v_lane.lane;
        stuck := true;
        EXIT WHEN cardinality(v_stuck) > 20;
        UPDATE lanes SET turn = nextval('turns') WHERE queue = p_queue AND lane = v_lane.lane;
      ELSE
        DELETE FROM lanes WHERE queue = p_queue AND lane = v_lane.lane;
        PERFORM pass_on(v_lane, p_now);
      END IF;
      CONTINUE;
    END IF;

    IF v_any_task_rule AND v_lane.task = 0 THEN
      v_task := limited_task(v_head.kind);
      IF v_task <> 0 THEN
        -- Its task got a limit while it stood in a lane that it shares.
        v_moves := v_moves + 1;
        IF v_moves > 500 THEN
          unsorted := true;
          EXIT;
        END IF;
        v_key := lane_key(v_lane.suspect, v_task, v_head.partition);
        UPDATE live SET lane = v_key, pos = place_back(pos, v_key) WHERE state = 2 AND seq = v_head.seq;
        PERFORM join_turns(p_queue, v_task, v_lane.suspect, coalesce(v_head.partition, ''));
        CONTINUE;
      END IF;
    END IF;

    IF v_head.expires_at <= p_now AND v_head.flags & 4096 = 0 THEN
      PERFORM end_job(v_head, 6, 6, p_now);
      PERFORM spread(100);
      CONTINUE;
    END IF;

    v_keys := CASE WHEN v_any_rule THEN lane_scopes(v_lane) ELSE '{}' END;
    v_full := NULL;
    v_batch := least(p_most - cardinality(seqs), v_queue_room);
    FOREACH v_key IN ARRAY v_keys LOOP
      v_at := array_position(v_scope, v_key);
      IF v_at IS NULL THEN
        v_scope := v_scope || v_key;
        v_room := v_room || (SELECT room FROM scope_room(v_key, rule_at(v_key), p_now));
        v_taken := v_taken || 0::bigint;
        v_at := cardinality(v_scope);
      END IF;
      v_batch := least(v_batch, v_room[v_at]);
      IF v_room[v_at] = 0 THEN
        v_full := v_key;
        EXIT;
      END IF;
    END LOOP;
    IF v_full IS NOT NULL THEN
      -- Its starts so far have to be known before it is said when there is more room.
      v_at := array_position(v_scope, v_full);
      PERFORM count_starts(v_full, rule_at(v_full), p_now, v_taken[v_at]) WHERE v_taken[v_at] > 0;
      v_taken[v_at] := 0;
      -- Others free slots meanwhile. Were the lane closed for what has room by now, passing that on would open it again.
      v_room[v_at] := (SELECT room FROM scope_room(v_full, rule_at(v_full), p_now));
      CONTINUE WHEN v_room[v_at] > 0;
      UPDATE lanes SET waits = v_full WHERE queue = p_queue AND lane = v_lane.lane;
      PERFORM retime(v_full, p_now);
      PERFORM pass_on(v_lane, p_now);
      CONTINUE;
    END IF;

    v_alone := NOT v_lane.suspect AND NOT (v_any_task_rule AND v_lane.task = 0) AND NOT EXISTS (
      SELECT 1 FROM lanes WHERE queue = p_queue AND NOT suspect AND waits IS NULL AND lane <> v_lane.lane);
    IF NOT v_alone THEN v_batch := 1; END IF;
    v_claimed := claim_of_lane(v_lane, CASE WHEN v_queue_rule.scope IS NULL THEN v_keys ELSE v_keys || ('q' || p_queue) END,
      p_now, p_until, p_worker, v_batch, p_starting - cardinality(seqs));
    EXIT WHEN cardinality(v_claimed) = 0;
    seqs := seqs || v_claimed;
    IF v_lane.suspect THEN suspects := suspects - 1; END IF;
    v_queue_room := v_queue_room - CASE WHEN v_queue_rule.scope IS NULL THEN 0 ELSE cardinality(v_claimed) END;
    FOREACH v_key IN ARRAY v_keys LOOP
      v_at := array_position(v_scope, v_key);
      v_room[v_at] := v_room[v_at] - cardinality(v_claimed);
      v_taken[v_at] := v_taken[v_at] + cardinality(v_claimed);
    END LOOP;
    IF EXISTS (SELECT 1 FROM live WHERE state = 2 AND queue = p_queue AND lane = v_lane.lane) THEN
      UPDATE lanes SET turn = nextval('turns') WHERE queue = p_queue AND lane = v_lane.lane;
    ELSE
      DELETE FROM lanes WHERE queue = p_queue AND lane = v_lane.lane;
      v_left := v_left || v_lane;
    END IF;
  END LOOP;

  FOR i IN 1 .. cardinality(v_scope) LOOP
    IF v_taken[i] > 0 THEN PERFORM count_starts(v_scope[i], rule_at(v_scope[i]), p_now, v_taken[i]); END IF;
  END LOOP;
  IF v_queue_rule.scope IS NOT NULL AND cardinality(seqs) > 0 THEN
    PERFORM count_starts('q' || p_queue, v_queue_rule, p_now, cardinality(seqs));
  END IF;
  FOREACH v_lane IN ARRAY v_left LOOP PERFORM pass_on(v_lane, p_now); END LOOP;
  SELECT array_agg(l.token ORDER BY s.n), array_agg(l.kind ORDER BY s.n), array_agg(l.priority ORDER BY s.n),
    array_agg(l.flags ORDER BY s.n), array_agg(l.due_at ORDER BY s.n)
  INTO tokens, kinds, priorities, flags, dues
  FROM unnest(seqs) WITH ORDINALITY AS s(seq, n) JOIN live l ON l.state = 3 AND l.seq = s.seq;
END $$
