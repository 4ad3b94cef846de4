-- Ends a job that has not ended, with all that hangs on it: slots, unique key, ties, counts, the end of its record.
-- What dependents are to hear goes to the outbox. Whoever calls holds the job's row.
-- Parameters: the job, state (4 succeeded, 5 failed, 6 cancelled), index of the reason or null, broker time, token and
--   outcome where a worker said so, when its last attempt started, its result
-- Cost: O(dependencies)
-- Called by: settle_one, reclaim_one, cancel, expire, deliver, enqueue_special, claim_by_turns

CREATE OR REPLACE FUNCTION end_job(
  p_job live, p_state integer, p_reason integer, p_now bigint,
  p_token bigint DEFAULT 0, p_outcome smallint DEFAULT NULL, p_started_at bigint DEFAULT NULL,
  p_codec smallint DEFAULT NULL, p_result bytea DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_flags integer := p_job.flags & ~(1 | 2 | 8 | 32 | 128 | 1024);
  v_keep bigint := CASE p_state WHEN 4 THEN 3600000 ELSE 1209600000 END;
  v_needed boolean := false;
BEGIN
  PERFORM moved(p_job, p_state);
  DELETE FROM live WHERE state = p_job.state AND seq = p_job.seq;
  IF (p_job.flags & 256) <> 0 THEN
    SELECT coalesce(CASE p_state WHEN 4 THEN keep_succeeded WHEN 5 THEN keep_failed ELSE keep_cancelled END, v_keep)
    INTO v_keep FROM jobs WHERE seq = p_job.seq;
  END IF;
  IF (p_job.flags & 1) <> 0 THEN
    DELETE FROM unique_keys WHERE key = (SELECT unique_key FROM jobs WHERE seq = p_job.seq) AND seq = p_job.seq;
  END IF;
  IF (p_job.flags & 8) <> 0 THEN PERFORM let_go(p_job.seq); END IF;
  IF (p_job.flags & 1024) <> 0 THEN PERFORM free_slots(p_job); END IF;
  IF (p_job.flags & 4) <> 0 THEN
    IF EXISTS (SELECT 1 FROM edges WHERE parent = p_job.seq AND open) THEN
      INSERT INTO outbox (action, parent, success) VALUES (1, p_job.seq, p_state = 4);
    END IF;
    v_needed := EXISTS (SELECT 1 FROM edges WHERE parent = p_job.seq);
  END IF;
  INSERT INTO ended (
    seq, ended_at, started_at, token, prune_at, kind, worker, flags, state, reason, outcome, result_codec, result
  ) VALUES (
    p_job.seq, p_now, p_started_at, p_token, CASE WHEN v_needed THEN NULL ELSE p_now + v_keep END, p_job.kind, p_job.worker,
    v_flags, p_state, p_reason, p_outcome, p_codec, p_result
  );
  IF v_keep = 0 AND NOT v_needed THEN PERFORM forget_job(p_job.seq, p_state, p_now); END IF;
END $$
