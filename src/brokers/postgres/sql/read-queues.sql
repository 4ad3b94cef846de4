-- Every queue that has or had jobs, or was paused or limited, with its counts. The limits are read beside it.
-- Returns: queue, paused, counts by state
-- Cost: O(kinds + steps that upkeep has not added up yet)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION read_queues() RETURNS TABLE (
  queue text, paused boolean, blocked bigint, scheduled bigint, ready bigint, active bigint, succeeded bigint,
  failed bigint, cancelled bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH counts AS (
    SELECT kind, blocked, scheduled, ready, active, succeeded, failed, cancelled FROM totals
    UNION ALL SELECT kind, blocked, scheduled, ready, active, succeeded, failed, cancelled FROM tally
  ), sums AS (
    SELECT k.queue, sum(c.blocked)::bigint AS blocked, sum(c.scheduled)::bigint AS scheduled, sum(c.ready)::bigint AS ready,
      sum(c.active)::bigint AS active, sum(c.succeeded)::bigint AS succeeded, sum(c.failed)::bigint AS failed,
      sum(c.cancelled)::bigint AS cancelled
    FROM counts c JOIN kinds k ON k.id = c.kind GROUP BY k.queue
  ), known AS (
    SELECT s.queue FROM sums s UNION SELECT q.queue FROM queues q
  )
  SELECT n.name, q.paused IS TRUE, coalesce(s.blocked, 0), coalesce(s.scheduled, 0), coalesce(s.ready, 0),
    coalesce(s.active, 0), coalesce(s.succeeded, 0), coalesce(s.failed, 0), coalesce(s.cancelled, 0)
  FROM known w JOIN names n ON n.id = w.queue LEFT JOIN sums s ON s.queue = w.queue
  LEFT JOIN (SELECT p.queue, true AS paused FROM paused p) q ON q.queue = w.queue
  ORDER BY n.id;
END $$
