-- Records what became of one claim, with all that follows from it (broker/outcomes.ts has the rules).
-- Parameters: id, token, kind of outcome, run time (ms) or null, codec and bytes of the result, delay (ms), index of the
--   reason, error (JSON) and its fingerprint, broker time, whether this is a transaction of the user's
-- Returns: 0 recorded, now or before (before not for a transaction of the user's, which would take effect twice); 1 lost: the
--   token is not the job's live one; 2 a transaction of the user's is about to record it
-- Cost: O(dependencies)
-- Called by: settle_jobs

CREATE OR REPLACE FUNCTION settle_one(
  p_id text, p_token bigint, p_kind integer, p_ran bigint, p_codec integer, p_result bytea, p_delay bigint, p_reason integer,
  p_error text, p_fingerprint text, p_now bigint, p_deferred boolean
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_job live;
  v_past past;
  v_seq bigint;
  v_users bigint;
  v_created bigint;
  v_cancelling boolean;
  -- What never ran says so by giving no run time; a result, a failure and a snooze can only come from a run.
  v_began boolean := p_ran IS NOT NULL OR p_kind IN (0, 1, 4);
  v_started_at bigint;
  v_shown integer;
  v_state integer;
BEGIN
  SELECT seq, created_at INTO v_seq, v_created FROM jobs WHERE id = p_id;
  v_users := users_lock(v_seq);
  IF p_deferred THEN PERFORM pg_advisory_xact_lock(v_users); END IF;
  SELECT * INTO v_job FROM live WHERE state = 3 AND seq = v_seq AND token = p_token FOR UPDATE SKIP LOCKED;
  IF NOT FOUND AND (p_deferred OR pg_try_advisory_xact_lock_shared(v_users)) THEN
    SELECT * INTO v_job FROM live WHERE state = 3 AND seq = v_seq AND token = p_token FOR UPDATE;
  END IF;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM live WHERE state = 3 AND seq = v_seq AND token = p_token) THEN RETURN 2; END IF;
    RETURN CASE WHEN NOT p_deferred AND settled_before(p_id, v_seq, p_token, p_kind) THEN 0 ELSE 1 END;
  END IF;
  v_cancelling := v_job.flags & 2 <> 0;
  v_past := read_past(v_seq);
  IF v_began THEN v_started_at := greatest(v_created, p_now - coalesce(p_ran, p_now - v_job.claimed_at)); END IF;
  v_shown := CASE WHEN v_cancelling AND p_kind <> 0 THEN 6 ELSE p_kind END;
  v_past.settled_token := p_token;
  v_past.settled_outcome := p_kind;
  -- The attempt that succeeded is told by the row of the ended job.
  IF v_shown <> 0 AND (v_began OR p_kind IN (2, 5)) THEN
    v_past.attempts := with_attempt(v_past.attempts, v_job.worker, p_token, coalesce(v_started_at, p_now), p_now, v_shown, p_error);
  END IF;
  IF v_began THEN
    v_past.started_at := v_started_at;
    v_job.flags := v_job.flags | 4096;
  ELSIF v_job.flags & 4096 <> 0 THEN
    v_past.started_at := (v_past.attempts[cardinality(v_past.attempts)]::json ->> 'startedAt')::bigint;
  END IF;
  IF p_kind = 1 OR (p_kind = 2 AND p_reason IN (0, 1)) THEN v_past.failures := v_past.failures + 1; END IF;
  v_past.unknown_since := CASE WHEN p_kind = 5 THEN coalesce(v_past.unknown_since, p_now)
    WHEN p_kind = 3 THEN v_past.unknown_since END;
  IF p_error IS NOT NULL OR p_kind = 0 THEN
    v_past.error := p_error;
    v_past.fingerprint := p_fingerprint;
  END IF;
  v_state := CASE WHEN p_kind = 0 THEN 4 WHEN v_cancelling OR p_kind = 6 THEN 6 WHEN p_kind = 2 THEN 5
    WHEN p_kind = 3 THEN 2 ELSE 1 END;
  IF v_state = 1 THEN v_past.due_at := p_now + p_delay; END IF;
  v_job.flags := v_job.flags & ~2048 | 512;
  PERFORM save_past(v_past);
  IF p_ran IS NOT NULL OR p_kind = 1 THEN
    PERFORM count_move(v_job.kind, -1, -1, (p_kind = 1 AND v_state = 1)::integer, 0, coalesce(p_ran, 0));
  END IF;
  IF v_state >= 4 THEN
    PERFORM end_job(v_job, v_state, CASE v_state WHEN 5 THEN p_reason WHEN 6 THEN 5 END, p_now, p_token, p_kind::smallint,
      v_past.started_at, CASE WHEN p_kind = 0 THEN p_codec END::smallint, CASE WHEN p_kind = 0 THEN p_result END);
    RETURN 0;
  END IF;
  IF v_job.flags & 1024 <> 0 THEN PERFORM free_slots(v_job); END IF;
  IF v_state = 2 THEN PERFORM enter_ready(v_job, true, false);
  ELSE PERFORM enter_scheduled(v_job, v_past.due_at, p_now);
  END IF;
  RETURN 0;
END $$
