-- Removes the record of an ended job. A tombstone stays where a worker's outcome was recorded for it.
-- Parameters: number and state of the job, broker time
-- Cost: O(search fields, log lines and steps of the job)
-- Called by: end_job, prune_jobs, erase_job

CREATE OR REPLACE FUNCTION forget_job(p_seq bigint, p_state integer, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_ended ended;
  v_id text;
  v_past past;
BEGIN
  DELETE FROM ended WHERE state = p_state AND seq = p_seq RETURNING * INTO v_ended;
  IF NOT FOUND THEN RETURN; END IF;
  DELETE FROM jobs WHERE seq = p_seq RETURNING id INTO v_id;
  IF (v_ended.flags & 512) <> 0 THEN
    DELETE FROM past WHERE seq = p_seq RETURNING * INTO v_past;
    IF v_ended.outcome IS NULL AND v_past.settled_token > 0 THEN
      v_ended.token := v_past.settled_token;
      v_ended.outcome := v_past.settled_outcome;
    END IF;
  END IF;
  IF (v_ended.flags & 16) <> 0 THEN DELETE FROM search WHERE seq = p_seq; END IF;
  IF (v_ended.flags & 64) <> 0 THEN
    DELETE FROM logs WHERE seq = p_seq;
    DELETE FROM steps WHERE seq = p_seq;
  END IF;
  IF v_ended.outcome IS NOT NULL THEN
    INSERT INTO tombstones (id, token, outcome, until) VALUES (v_id, v_ended.token, v_ended.outcome, p_now + 300000)
    ON CONFLICT (id) DO UPDATE SET token = excluded.token, outcome = excluded.outcome, until = excluded.until;
  END IF;
  PERFORM count_move(v_ended.kind, p_state, -1);
END $$
