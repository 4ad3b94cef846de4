-- Takes a job back whose lease has ended (docs/decisions/0003): a job that had started is a suspect from now on, and only
-- the loss of a suspect that had started counts as a crash.
-- Parameters: the job, broker time
-- Cost: O(dependencies)
-- Called by: reclaim_lost

CREATE OR REPLACE FUNCTION reclaim_one(p_job live, p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_counted boolean := p_job.started AND p_job.flags & 2048 <> 0;
  v_most integer;
  v_past past;
  v_error text;
BEGIN
  IF p_job.started THEN
    v_past := read_past(p_job.seq);
    v_past.crashes := v_past.crashes + v_counted::integer;
    v_error := format(
      '{"name":"OffstageError","message":"the worker of the job was lost while it ran (%s)","code":"WORKER_CRASHED","fingerprint":"WORKER_CRASHED"}',
      CASE WHEN v_past.crashes = 0 THEN 'not counted as a crash' ELSE 'crashes counted: ' || v_past.crashes END);
    v_past.error := v_error;
    v_past.fingerprint := 'WORKER_CRASHED';
    v_past.attempts := with_attempt(v_past.attempts, p_job.worker, p_job.token, p_job.claimed_at, p_now, 7, v_error);
    v_past.started_at := p_job.claimed_at;
    PERFORM save_past(v_past);
    p_job.flags := p_job.flags | 512 | 2048 | 4096;
    IF v_counted THEN PERFORM count_move(p_job.kind, -1, -1, 0, 1); END IF;
  END IF;
  IF p_job.flags & 2 <> 0 THEN
    PERFORM end_job(p_job, 6, 5, p_now, 0, NULL, v_past.started_at);
    RETURN;
  END IF;
  IF v_counted THEN
    SELECT coalesce(max_crashes, 3) INTO v_most FROM jobs WHERE seq = p_job.seq;
    IF v_past.crashes >= v_most THEN
      PERFORM end_job(p_job, 5, 2, p_now, 0, NULL, v_past.started_at);
      RETURN;
    END IF;
  END IF;
  IF p_job.flags & 1024 <> 0 THEN PERFORM free_slots(p_job); END IF;
  PERFORM enter_ready(p_job, true, p_job.flags & 2048 <> 0);
END $$
