-- Cancels, runs again, removes or promotes one job. A job that ends, or runs again, between two looks is looked at again.
-- Parameters, returns: as steer_jobs
-- Cost: O(dependencies)
-- Called by: steer_jobs

CREATE OR REPLACE FUNCTION steer_one(p_action text, p_id text, p_states smallint[]) RETURNS smallint
LANGUAGE plpgsql AS $$
DECLARE
  v_seq bigint;
  v_live live;
  v_state integer;
  v_ended ended;
BEGIN
  LOOP
    SELECT seq INTO v_seq FROM jobs WHERE id = p_id;
    IF NOT FOUND THEN RETURN NULL; END IF;
    SELECT * INTO v_live FROM live WHERE state IN (0, 1, 2, 3) AND seq = v_seq FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND pg_try_advisory_xact_lock_shared(users_lock(v_seq)) THEN
      SELECT * INTO v_live FROM live WHERE state IN (0, 1, 2, 3) AND seq = v_seq FOR UPDATE;
    END IF;
    IF FOUND THEN RETURN steer_live(p_action, v_live, p_states); END IF;
    SELECT state INTO v_state FROM live WHERE state IN (0, 1, 2, 3) AND seq = v_seq;
    IF FOUND THEN
      -- A transaction of the user's is about to end it, or was: then it is looked at again.
      CONTINUE WHEN pg_try_advisory_xact_lock_shared(users_lock(v_seq));
      RETURN v_state;
    END IF;
    SELECT * INTO v_ended FROM ended WHERE state IN (4, 5, 6) AND seq = v_seq FOR UPDATE;
    IF FOUND THEN
      IF v_ended.state <> ALL (p_states) THEN RETURN v_ended.state; END IF;
      IF p_action = 'remove' THEN
        PERFORM forget_job(v_seq, v_ended.state, now_ms());
        RETURN 7;
      END IF;
      IF p_action = 'retry' AND v_ended.state IN (5, 6) AND revive(v_ended) THEN RETURN 7; END IF;
      RETURN v_ended.state;
    END IF;
  END LOOP;
END $$
