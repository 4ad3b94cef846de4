-- Counts that a job has gone from one state to another. -1 is none.
-- Parameters: kind, from, to, and what it adds to the minute: retried, crashed, run time (ms)
-- Cost: one row
-- Called by: the moves of single jobs

CREATE OR REPLACE FUNCTION count_move(
  p_kind integer, p_from integer, p_to integer,
  p_retried integer DEFAULT 0, p_crashed integer DEFAULT 0, p_ran_ms bigint DEFAULT 0, p_enqueued integer DEFAULT 0
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_delta integer[] := '{0,0,0,0,0,0,0}';
  v_ends boolean := p_to >= 4;
BEGIN
  IF p_from >= 0 THEN v_delta[p_from + 1] := v_delta[p_from + 1] - 1; END IF;
  IF p_to >= 0 THEN v_delta[p_to + 1] := v_delta[p_to + 1] + 1; END IF;
  INSERT INTO tally (
    kind, minute_at, blocked, scheduled, ready, active, succeeded, failed, cancelled,
    did_enqueue, did_succeed, did_retry, did_fail, did_cancel, did_crash, ran_ms
  ) VALUES (
    p_kind, now_ms() / 60000 * 60000, v_delta[1], v_delta[2], v_delta[3], v_delta[4], v_delta[5], v_delta[6], v_delta[7],
    p_enqueued, (p_to = 4)::integer, p_retried, (p_to = 5)::integer, (p_to = 6)::integer, p_crashed, p_ran_ms
  );
END $$
