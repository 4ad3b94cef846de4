-- Writes jobs one by one, group by group: each group is looked at as a whole before anything of it is written, and what
-- a race brings to light in between undoes the group.
-- Parameters, returns: as enqueue_jobs; kinds and queues of the pairs
-- Cost: O(jobs + dependencies)
-- Called by: enqueue_jobs

CREATE OR REPLACE FUNCTION enqueue_special(
  p_now bigint, p_kinds integer[], p_queues integer[], p_tasks text[],
  p_pairs integer[], p_ids text[], p_inputs bytea[], p_groups integer[], p_priorities smallint[], p_codecs smallint[],
  p_versions smallint[], p_delays bigint[], p_run_ats bigint[], p_expires bigint[], p_partitions text[], p_rares text[],
  p_workflows text[], p_tags text[], p_flags integer[], p_uniques text[], p_keep_succeeded bigint[], p_keep_failed bigint[],
  p_keep_cancelled bigint[], p_max_crashes integer[], p_after_jobs integer[], p_after_ids text[],
  p_after_success boolean[], p_search_jobs integer[], p_search_fields text[], p_search_values text[], p_deferred boolean,
  OUT statuses smallint[], OUT others text[]
) LANGUAGE plpgsql AS $$
DECLARE
  v_count integer := cardinality(p_ids);
  v_from integer := 1;
  v_to integer;
  v_fault integer;
  v_other text;
  v_status smallint;
  v_job jobs;
  v_flags integer;
BEGIN
  statuses := array_fill(0::smallint, ARRAY[v_count]);
  others := array_fill(NULL::text, ARRAY[v_count]);
  WHILE v_from <= v_count LOOP
    v_to := v_from;
    WHILE v_to < v_count AND p_groups[v_to + 1] = p_groups[v_from] LOOP v_to := v_to + 1; END LOOP;
    SELECT c.fault, c.status, c.other INTO v_fault, v_status, v_other FROM check_group(
      v_from, v_to, p_tasks, p_pairs, p_ids, p_flags, p_uniques, p_after_jobs, p_after_ids) c;
    IF v_fault IS NULL THEN
      BEGIN
        FOR i IN v_from .. v_to LOOP
          v_flags := coalesce(p_flags[i], 0);
          v_job := NULL;
          v_job.id := p_ids[i];
          v_job.kind := p_kinds[p_pairs[i]];
          v_job.created_at := p_now;
          v_job.due_at := coalesce(p_run_ats[i], CASE WHEN p_delays[i] > 0 THEN p_now + p_delays[i] END);
          v_job.expires_at := p_now + p_expires[i];
          v_job.keep_succeeded := p_keep_succeeded[i];
          v_job.keep_failed := p_keep_failed[i];
          v_job.keep_cancelled := p_keep_cancelled[i];
          v_job.max_crashes := p_max_crashes[i];
          v_job.priority := coalesce(p_priorities[i], 5);
          v_job.version := coalesce(p_versions[i], 1);
          v_job.codec := coalesce(p_codecs[i], 0);
          v_job.input := p_inputs[i];
          v_job.partition := p_partitions[i];
          v_job.workflow := p_workflows[i];
          v_job.tags := p_tags[i]::text[];
          v_job.rare := p_rares[i];
          v_job.unique_key := p_uniques[i];
          v_job.flags := v_flags;
          IF (v_flags & 8) <> 0 THEN
            SELECT array_agg(a.id ORDER BY a.n) INTO v_job.after
            FROM unnest(p_after_jobs, p_after_ids) WITH ORDINALITY AS a(job, id, n) WHERE a.job = i;
          END IF;
          SELECT e.status, e.other INTO v_status, v_other FROM enqueue_one(
            v_job, p_queues[p_pairs[i]], p_tasks[p_pairs[i]], p_now,
            (SELECT array_agg(a.success ORDER BY a.n)
             FROM unnest(p_after_jobs, p_after_success) WITH ORDINALITY AS a(job, success, n) WHERE a.job = i),
            p_deferred) e;
          IF v_status = 3 THEN
            v_fault := i;
            RAISE EXCEPTION 'taken' USING ERRCODE = 'OF001';
          END IF;
          statuses[i] := v_status;
          others[i] := v_other;
          IF v_status = 0 AND p_search_jobs IS NOT NULL THEN
            INSERT INTO search (field, value, seq)
            SELECT s.field, s.value, j.seq
            FROM unnest(p_search_jobs, p_search_fields, p_search_values) AS s(job, field, value), jobs j
            WHERE s.job = i AND j.id = p_ids[i];
          END IF;
          IF NOT p_deferred THEN PERFORM spread(100); END IF;
        END LOOP;
      EXCEPTION
        WHEN SQLSTATE 'OF001' THEN NULL;
        -- Another connection came between: the group is looked at once more.
        WHEN SQLSTATE 'OF003' THEN CONTINUE;
      END;
    END IF;
    IF v_fault IS NOT NULL THEN
      FOR i IN v_from .. v_to LOOP
        statuses[i] := 5;
        others[i] := NULL;
      END LOOP;
      statuses[v_fault] := v_status;
      others[v_fault] := v_other;
    END IF;
    v_from := v_to + 1;
  END LOOP;
END $$
