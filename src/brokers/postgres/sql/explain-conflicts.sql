-- Some ids were there already: tells duplicates from ids of other tasks.
-- Parameters: as enqueue_jobs; the numbers of the jobs that were stored
-- Returns: as enqueue_jobs
-- Cost: O(jobs)
-- Called by: enqueue_plain

CREATE OR REPLACE FUNCTION explain_conflicts(
  p_tasks text[], p_pairs integer[], p_ids text[], p_seqs bigint[], OUT statuses smallint[], OUT others text[]
) LANGUAGE plpgsql AS $$
BEGIN
  -- The first of an id in this trip is the one that was stored; a later one is its duplicate.
  WITH given AS MATERIALIZED (
    SELECT g.n, g.id, p_tasks[g.pair] AS task, t.name AS other,
      coalesce(j.seq = ANY (p_seqs), false) AND row_number() OVER (PARTITION BY g.id ORDER BY g.n) = 1 AS stored
    FROM unnest(p_pairs, p_ids) WITH ORDINALITY AS g(pair, id, n)
    LEFT JOIN jobs j ON j.id = g.id LEFT JOIN kinds k ON k.id = j.kind LEFT JOIN names t ON t.id = k.task
  ), told AS (
    SELECT n, id, other, CASE WHEN stored THEN 0 WHEN other = task THEN 1 ELSE 3 END AS status FROM given
  )
  SELECT array_agg(status::smallint ORDER BY n), array_agg(CASE status WHEN 1 THEN id WHEN 3 THEN other END ORDER BY n)
  INTO statuses, others FROM told;
END $$
