-- Writes jobs without unique keys, dependencies and staging, all at once.
-- Parameters: as enqueue_jobs; kinds, queues and limited tasks of the pairs
-- Returns: nothing where all were stored, else as enqueue_jobs; `refused` where an id belongs to another task: then
--   nothing was stored, and the groups have to be looked at one by one
-- Cost: O(jobs)
-- Called by: enqueue_jobs

CREATE OR REPLACE FUNCTION enqueue_plain(
  p_now bigint, p_kinds integer[], p_queues integer[], p_limited integer[], p_tasks text[],
  p_pairs integer[], p_ids text[], p_inputs bytea[], p_priorities smallint[], p_codecs smallint[],
  p_versions smallint[], p_delays bigint[], p_run_ats bigint[], p_expires bigint[], p_partitions text[], p_rares text[],
  p_workflows text[], p_tags text[], p_flags integer[], p_keep_succeeded bigint[], p_keep_failed bigint[], p_keep_cancelled bigint[],
  p_max_crashes integer[], p_search_jobs integer[], p_search_fields text[], p_search_values text[],
  OUT statuses smallint[], OUT others text[], OUT refused boolean
) LANGUAGE plpgsql AS $$
DECLARE
  v_count integer := cardinality(p_ids);
  v_seqs bigint[];
  v_lanes boolean := p_partitions IS NOT NULL OR EXISTS (SELECT 1 FROM unnest(p_limited) AS l(task) WHERE task <> 0)
    OR EXISTS (SELECT 1 FROM lanes WHERE queue = ANY (p_queues)) OR EXISTS (SELECT 1 FROM inbox WHERE queue = ANY (p_queues));
BEGIN
  WITH given AS MATERIALIZED (
    SELECT nextval('seqs') AS seq, p_kinds[g.pair] AS kind,
      CASE WHEN g.run_at IS NOT NULL THEN g.run_at WHEN g.delay > 0 THEN p_now + g.delay END AS due_at, g.*
    FROM unnest(
      p_pairs, p_ids, p_inputs, p_priorities, p_codecs, p_versions, p_delays, p_run_ats, p_expires, p_partitions, p_rares,
      p_workflows, p_tags, p_flags, p_keep_succeeded, p_keep_failed, p_keep_cancelled, p_max_crashes
    ) AS g(
      pair, id, input, priority, codec, version, delay, run_at, expires, partition, rare,
      workflow, tags, flags, keep_succeeded, keep_failed, keep_cancelled, max_crashes
    )
  ), written AS (
    INSERT INTO jobs (
      seq, created_at, due_at, expires_at, keep_succeeded, keep_failed, keep_cancelled, kind, flags, max_crashes,
      priority, version, codec, id, input, partition, workflow, tags, rare
    )
    SELECT seq, p_now, due_at, p_now + expires, keep_succeeded, keep_failed, keep_cancelled, kind, coalesce(flags, 0),
      max_crashes, coalesce(priority, 5), coalesce(version, 1), coalesce(codec, 0), id, input, partition, workflow, tags::text[], rare
    FROM given
    ON CONFLICT (id) DO NOTHING
    RETURNING seq, due_at, expires_at, kind, flags, priority, partition
  ), placed AS (
    INSERT INTO live (seq, pos, due_at, expires_at, queue, kind, flags, state, priority, lane, partition)
    SELECT w.seq, w.seq, w.due_at, w.expires_at, p_queues[array_position(p_kinds, w.kind)], w.kind, w.flags,
      CASE WHEN w.due_at > p_now THEN 1 ELSE 2 END, w.priority,
      CASE WHEN w.due_at > p_now OR NOT v_lanes THEN ''
        ELSE lane_key(false, p_limited[array_position(p_kinds, w.kind)], w.partition) END, w.partition
    FROM written w
    RETURNING seq
  )
  SELECT array_agg(seq) INTO v_seqs FROM placed;

  IF coalesce(cardinality(v_seqs), 0) < v_count THEN
    SELECT s.statuses, s.others INTO statuses, others FROM explain_conflicts(p_tasks, p_pairs, p_ids, v_seqs) s;
    refused := 3 = ANY (statuses);
    IF refused THEN
      DELETE FROM jobs WHERE seq = ANY (v_seqs);
      DELETE FROM live WHERE state IN (1, 2) AND seq = ANY (v_seqs);
      RETURN;
    END IF;
  END IF;
  IF p_search_jobs IS NOT NULL THEN
    INSERT INTO search (field, value, seq)
    SELECT s.field, s.value, j.seq FROM unnest(p_search_jobs, p_search_fields, p_search_values) AS s(job, field, value)
    JOIN jobs j ON j.id = p_ids[s.job] WHERE j.seq = ANY (v_seqs)
    ON CONFLICT DO NOTHING;
  END IF;
  IF v_lanes THEN
    PERFORM arrive(a.queue, a.lane, a.kind, false, a.partition) FROM (
      SELECT l.queue, l.lane, min(l.kind) AS kind, l.partition FROM live l
      WHERE l.state = 2 AND l.seq = ANY (v_seqs) GROUP BY l.queue, l.lane, l.partition ORDER BY min(l.seq)
    ) a;
  END IF;
  INSERT INTO tally (kind, minute_at, scheduled, ready, did_enqueue)
  SELECT p_kinds[c.pair], p_now / 60000 * 60000, c.count - c.ready, c.ready, c.count
  FROM (
    SELECT g.pair, count(*) AS count,
      count(*) FILTER (WHERE coalesce(g.run_at, CASE WHEN g.delay > 0 THEN p_now + g.delay END, p_now) <= p_now) AS ready
    FROM unnest(p_pairs, p_delays, p_run_ats, statuses) AS g(pair, delay, run_at, status)
    WHERE coalesce(g.status, 0) = 0 GROUP BY g.pair
  ) c;
  IF is_heard() THEN
    PERFORM tell(array_agg(j.id ORDER BY j.seq), array_agg(j.kind ORDER BY j.seq),
      array_agg(CASE WHEN j.due_at > p_now THEN 1 ELSE 2 END::smallint ORDER BY j.seq))
    FROM jobs j WHERE j.seq = ANY (v_seqs);
  END IF;
END $$
