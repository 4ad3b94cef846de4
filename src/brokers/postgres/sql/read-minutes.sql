-- What minutes brought, by queue and task, with what upkeep has not added up yet. Of the last day.
-- Parameters: from and before (ms)
-- Returns: start of the minute, queue, task, and the sums
-- Cost: O(rows + steps that are not added up yet)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_minutes(p_from bigint, p_to bigint) RETURNS TABLE (
  minute_at bigint, queue text, task text, enqueued bigint, succeeded bigint, retried bigint, failed bigint,
  cancelled bigint, crashed bigint, ran_ms bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_first bigint := greatest(p_from, now_ms() - 86400000 + 1);
BEGIN
  RETURN QUERY
  WITH found AS (
    SELECT m.* FROM minutes m WHERE m.minute_at >= v_first AND m.minute_at < p_to
    UNION ALL
    SELECT t.minute_at, t.kind, t.did_enqueue, t.did_succeed, t.did_retry, t.did_fail, t.did_cancel, t.did_crash, t.ran_ms
    FROM tally t WHERE t.minute_at >= v_first AND t.minute_at < p_to
  ), sums AS (
    SELECT s.minute_at, s.kind, sum(s.did_enqueue)::bigint AS e, sum(s.did_succeed)::bigint AS s, sum(s.did_retry)::bigint AS r,
      sum(s.did_fail)::bigint AS f, sum(s.did_cancel)::bigint AS c, sum(s.did_crash)::bigint AS x, sum(s.ran_ms)::bigint AS m
    FROM found s GROUP BY s.minute_at, s.kind
  )
  SELECT u.minute_at, q.name, t.name, u.e, u.s, u.r, u.f, u.c, u.x, u.m
  FROM sums u JOIN kinds k ON k.id = u.kind JOIN names q ON q.id = k.queue JOIN names t ON t.id = k.task
  WHERE u.e + u.s + u.r + u.f + u.c + u.x + u.m > 0
  ORDER BY u.minute_at, u.kind;
END $$
