-- Stores one job: for people and for triggers. It is part of the transaction that calls it, makes nobody wait, and wakes
-- workers once that has been committed. Arguments are checked as the library checks them; what a task says of itself (its
-- queue, priority, retention, schema) is not known here.
-- Parameters: task; input (JSON, null for none); queue; when: after a delay or at a time; priority (0 to 9, higher first);
--   id (made where null); unique key of the task, whether it is held while the job is unfinished or only waiting, and
--   whether the job there is kept or replaced; partition; search fields; tags; headers; expiry of a job that has not begun
-- Returns: the id of the job; where there is one of that id, or of that unique key, the id of that one
-- Cost: one row in three tables
-- Called by: people, triggers; enqueue of json and of jsonb

CREATE OR REPLACE FUNCTION enqueue(
  task text, input text DEFAULT NULL, queue text DEFAULT 'default', delay interval DEFAULT NULL,
  run_at timestamptz DEFAULT NULL, priority integer DEFAULT 5, id text DEFAULT NULL, unique_key text DEFAULT NULL,
  unique_during text DEFAULT 'unfinished', on_conflict text DEFAULT 'keep', partition text DEFAULT NULL,
  search jsonb DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL, expires_in interval DEFAULT NULL
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
DECLARE
  v_queue text := coalesce(queue, 'default');
  v_priority integer := coalesce(priority, 5);
  v_id text := coalesce(id, new_id());
  v_key text;
  v_during text := coalesce(unique_during, 'unfinished');
  v_on_conflict text := coalesce(on_conflict, 'keep');
  v_search jsonb := nullif(search, '{}');
  v_tags text[] := ARRAY(SELECT t FROM unnest(tags) WITH ORDINALITY AS u(t, n) GROUP BY t ORDER BY min(n));
  v_rare text;
  v_flags integer := 0;
  v_tag text;
  v_answer record;
BEGIN
  PERFORM check_name('task', task), check_name('queue', v_queue), check_key('id', v_id);
  IF input IS NOT NULL THEN PERFORM input::json; END IF;
  IF octet_length(input) > 1048576 THEN
    RAISE EXCEPTION 'input has % bytes; at most 1048576 are allowed', octet_length(input)
      USING ERRCODE = '22023', HINT = 'Store the data elsewhere and send a reference.';
  END IF;
  IF v_priority NOT BETWEEN 0 AND 9 THEN
    RAISE EXCEPTION 'priority is %', v_priority USING ERRCODE = '22023', HINT = 'It is from 0 to 9; higher goes first.';
  END IF;
  IF delay IS NOT NULL AND run_at IS NOT NULL THEN
    RAISE EXCEPTION 'delay and run_at are both given' USING ERRCODE = '22023', HINT = 'A job has one time.';
  END IF;
  IF NOT isfinite(run_at) THEN RAISE EXCEPTION 'run_at is %', run_at USING ERRCODE = '22023'; END IF;
  IF v_during NOT IN ('unfinished', 'waiting') THEN
    RAISE EXCEPTION 'unique_during is %', quote_literal(v_during) USING ERRCODE = '22023', HINT = 'It is unfinished or waiting.';
  END IF;
  IF v_on_conflict NOT IN ('keep', 'replace') THEN
    RAISE EXCEPTION 'on_conflict is %', quote_literal(v_on_conflict) USING ERRCODE = '22023', HINT = 'It is keep or replace.';
  END IF;
  IF cardinality(tags) > 16 THEN RAISE EXCEPTION 'tags has more than 16' USING ERRCODE = '22023'; END IF;
  FOREACH v_tag IN ARRAY v_tags LOOP PERFORM check_key('a tag', v_tag); END LOOP;
  IF partition IS NOT NULL THEN PERFORM check_key('partition', partition); END IF;
  PERFORM check_fields('search', v_search), check_fields('headers', headers);

  IF unique_key IS NOT NULL THEN
    PERFORM check_key('unique_key', unique_key);
    -- As task/prepare.ts makes it.
    v_key := task || '/' || unique_key;
    IF octet_length(v_key) > 512 THEN
      v_key := task || '/sha256:' || encode(sha256(convert_to(unique_key, 'UTF8')), 'hex');
    END IF;
    v_flags := 1 + CASE v_during WHEN 'waiting' THEN 32 ELSE 0 END + CASE v_on_conflict WHEN 'replace' THEN 65536 ELSE 0 END;
  END IF;
  IF v_search IS NOT NULL THEN v_flags := v_flags + 16; END IF;
  v_rare := nullif(jsonb_strip_nulls(jsonb_build_object(
    'unique', CASE WHEN v_key IS NOT NULL THEN jsonb_build_object('key', v_key, 'during', v_during, 'onConflict', v_on_conflict) END,
    'search', v_search, 'tags', to_jsonb(nullif(v_tags, '{}')), 'headers', nullif(headers, '{}'))), '{}')::text;

  SELECT a.statuses[1] AS status, a.others[1] AS other INTO v_answer FROM enqueue_jobs(
    ARRAY[v_queue], ARRAY[task], ARRAY[1], ARRAY[v_id], ARRAY[convert_to(coalesce(input, ''), 'UTF8')], ARRAY[0],
    p_priorities => ARRAY[v_priority::smallint], p_delays => ARRAY[nullif(interval_ms('delay', delay, 0), 0)],
    p_run_ats => ARRAY[CASE WHEN run_at IS NOT NULL THEN greatest(0, ceil(extract(epoch FROM run_at) * 1000)) END::bigint],
    p_expires => ARRAY[interval_ms('expires_in', expires_in, 1)],
    p_partitions => CASE WHEN partition IS NOT NULL THEN ARRAY[partition] END,
    p_rares => CASE WHEN v_rare IS NOT NULL THEN ARRAY[v_rare] END,
    p_tags => CASE WHEN v_tags <> '{}' THEN ARRAY[v_tags::text] END,
    p_flags => CASE WHEN v_flags <> 0 THEN ARRAY[v_flags] END,
    p_uniques => CASE WHEN v_key IS NOT NULL THEN ARRAY[v_key] END,
    p_search_jobs => (SELECT array_agg(1) FROM jsonb_each_text(v_search)),
    p_search_fields => (SELECT array_agg(f.key ORDER BY f.key) FROM jsonb_each_text(v_search) f),
    p_search_values => (SELECT array_agg(f.value ORDER BY f.key) FROM jsonb_each_text(v_search) f),
    p_deferred => true) a;
  IF v_answer.status = 3 THEN
    RAISE EXCEPTION 'the id % belongs to a job of task %', quote_literal(v_id), quote_literal(v_answer.other)
      USING ERRCODE = '23505', HINT = 'Put the name of the task into the id.';
  END IF;
  RETURN coalesce(v_answer.other, v_id);
END $$
