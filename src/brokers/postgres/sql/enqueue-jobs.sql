-- Stores jobs: each group all or none. Jobs without keys and ties are written together; groups of others one by one.
-- Parameters: distinct pairs of queue and task; then for each job its pair (from 1), id, input, group (from 0), and, each
--   null where no job has it: priority (5), codec (0), version (1), delay (ms), time (ms), expiry after (ms), partition,
--   rare fields (JSON), workflow, tags (an
--   array as text), flags, unique key, retention (ms) by state, crashes allowed; dependencies and search
--   fields with the number of their job (from 1); queues to wake; whether this is a transaction of the user's, which must
--   not make others wait
-- Returns: broker time; nothing more where all were stored, else for each job 0 stored, 1 duplicate by id, 2 by unique key,
--   3 id taken, 4 dependency missing, 5 not stored with its group; and the id or task of the other job
-- Cost: O(jobs)
-- Called by: messages.ts, enqueue_within, enqueue

CREATE OR REPLACE FUNCTION enqueue_jobs(
  p_queues text[], p_tasks text[], p_pairs integer[], p_ids text[], p_inputs bytea[], p_groups integer[],
  p_priorities smallint[] DEFAULT NULL, p_codecs smallint[] DEFAULT NULL, p_versions smallint[] DEFAULT NULL,
  p_delays bigint[] DEFAULT NULL, p_run_ats bigint[] DEFAULT NULL, p_expires bigint[] DEFAULT NULL,
  p_partitions text[] DEFAULT NULL, p_rares text[] DEFAULT NULL, p_workflows text[] DEFAULT NULL,
  p_tags text[] DEFAULT NULL, p_flags integer[] DEFAULT NULL, p_uniques text[] DEFAULT NULL,
  p_keep_succeeded bigint[] DEFAULT NULL, p_keep_failed bigint[] DEFAULT NULL, p_keep_cancelled bigint[] DEFAULT NULL,
  p_max_crashes integer[] DEFAULT NULL,
  p_after_jobs integer[] DEFAULT NULL, p_after_ids text[] DEFAULT NULL, p_after_success boolean[] DEFAULT NULL,
  p_search_jobs integer[] DEFAULT NULL, p_search_fields text[] DEFAULT NULL, p_search_values text[] DEFAULT NULL,
  p_wake text[] DEFAULT NULL, p_deferred boolean DEFAULT false,
  OUT now bigint, OUT statuses smallint[], OUT others text[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_kinds integer[];
  v_queues integer[];
  v_limited integer[];
  v_pair record;
  v_name text;
  v_special boolean := EXISTS (SELECT 1 FROM unnest(p_flags) AS f(flags) WHERE flags & (1 | 8 | 128) <> 0);
BEGIN
  now := now_ms();
  -- A transaction of the user's may hold an id or a key for long: then the groups of this trip go one by one.
  IF NOT p_deferred THEN PERFORM set_config('lock_timeout', '500', true); END IF;
  FOR v_pair IN SELECT k.id, k.queue FROM unnest(p_queues, p_tasks) WITH ORDINALITY AS p(queue, task, n),
    LATERAL kind_id(p.queue, p.task) k ORDER BY p.n
  LOOP
    v_kinds := v_kinds || v_pair.id;
    v_queues := v_queues || v_pair.queue;
    v_limited := v_limited || CASE WHEN EXISTS (SELECT 1 FROM rules WHERE scope = 't') THEN limited_task(v_pair.id) ELSE 0 END;
  END LOOP;

  IF NOT v_special THEN
    SELECT s.statuses, s.others, coalesce(s.refused, false) INTO statuses, others, v_special FROM enqueue_plain(
      now, v_kinds, v_queues, v_limited, p_tasks, p_pairs, p_ids, p_inputs, p_priorities, p_codecs, p_versions,
      p_delays, p_run_ats, p_expires, p_partitions, p_rares, p_workflows, p_tags, p_flags, p_keep_succeeded,
      p_keep_failed, p_keep_cancelled, p_max_crashes, p_search_jobs, p_search_fields, p_search_values) s;
  END IF;
  IF v_special THEN
    SELECT s.statuses, s.others INTO statuses, others FROM enqueue_special(
      now, v_kinds, v_queues, p_tasks, p_pairs, p_ids, p_inputs, p_groups, p_priorities, p_codecs, p_versions,
      p_delays, p_run_ats, p_expires, p_partitions, p_rares, p_workflows, p_tags, p_flags, p_uniques, p_keep_succeeded,
      p_keep_failed, p_keep_cancelled, p_max_crashes, p_after_jobs, p_after_ids, p_after_success,
      p_search_jobs, p_search_fields, p_search_values, p_deferred) s;
  END IF;

  IF p_deferred THEN PERFORM wake(v_queues); END IF;
  FOREACH v_name IN ARRAY coalesce(p_wake, '{}') LOOP PERFORM pg_notify(current_schema(), 'w' || v_name); END LOOP;
  -- Where no worker does it: the counts of producers alone must not pile up.
  IF NOT p_deferred AND random() < 0.005 THEN PERFORM fold_tally(2000); END IF;
END $$
