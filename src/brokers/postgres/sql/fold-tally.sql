-- Adds up what changed in counts. One at a time; whoever finds another at it leaves it to that one.
-- Parameters: the most rows to add up
-- Returns: how many rows it added up
-- Cost: O(rows)
-- Called by: maintain; enqueue_jobs, now and then, for producers without workers

CREATE OR REPLACE FUNCTION fold_tally(p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_rows integer;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' tally', 0)) THEN RETURN 0; END IF;
  WITH rows AS (
    DELETE FROM tally WHERE ctid = ANY (ARRAY(SELECT ctid FROM tally LIMIT p_most)) RETURNING *
  ), by_kind AS (
    INSERT INTO totals AS t (kind, blocked, scheduled, ready, active, succeeded, failed, cancelled)
    SELECT kind, sum(blocked), sum(scheduled), sum(ready), sum(active), sum(succeeded), sum(failed), sum(cancelled)
    FROM rows GROUP BY kind
    ON CONFLICT (kind) DO UPDATE SET
      blocked = t.blocked + excluded.blocked, scheduled = t.scheduled + excluded.scheduled,
      ready = t.ready + excluded.ready, active = t.active + excluded.active,
      succeeded = t.succeeded + excluded.succeeded, failed = t.failed + excluded.failed,
      cancelled = t.cancelled + excluded.cancelled
  ), by_minute AS (
    INSERT INTO minutes AS m (minute_at, kind, did_enqueue, did_succeed, did_retry, did_fail, did_cancel, did_crash, ran_ms)
    SELECT minute_at, kind, sum(did_enqueue), sum(did_succeed), sum(did_retry), sum(did_fail), sum(did_cancel),
      sum(did_crash), sum(ran_ms)
    FROM rows GROUP BY minute_at, kind
    HAVING sum(did_enqueue + did_succeed + did_retry + did_fail + did_cancel + did_crash + ran_ms) > 0
    ON CONFLICT (minute_at, kind) DO UPDATE SET
      did_enqueue = m.did_enqueue + excluded.did_enqueue, did_succeed = m.did_succeed + excluded.did_succeed,
      did_retry = m.did_retry + excluded.did_retry, did_fail = m.did_fail + excluded.did_fail,
      did_cancel = m.did_cancel + excluded.did_cancel, did_crash = m.did_crash + excluded.did_crash,
      ran_ms = m.ran_ms + excluded.ran_ms
  )
  SELECT count(*) INTO v_rows FROM rows;
  RETURN v_rows;
END $$
