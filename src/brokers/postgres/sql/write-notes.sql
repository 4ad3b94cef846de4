-- What attempts write while they run: progress, log lines, steps.
-- Parameters: for each id, token, kind (0 progress, 1 log line, 2 step), level, codec, text or name, value; how many log
--   lines are kept of a job
-- Returns: numbers (from 1) of those that are lost: the token is not the live one, or a transaction of the user's is about
--   to end the job
-- Cost: O(notes)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION write_notes(
  p_ids text[], p_tokens bigint[], p_kinds smallint[], p_levels text[], p_codecs smallint[], p_texts bytea[],
  p_values bytea[], p_keep integer
) RETURNS integer[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_lost integer[] := '{}';
  v_now bigint := now_ms();
  v_seq bigint;
  v_job live;
  v_flag integer;
BEGIN
  FOR i IN 1 .. cardinality(p_ids) LOOP
    SELECT seq INTO v_seq FROM jobs WHERE id = p_ids[i];
    SELECT * INTO v_job FROM live WHERE state = 3 AND seq = v_seq AND token = p_tokens[i] FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND pg_try_advisory_xact_lock_shared(users_lock(v_seq)) THEN
      SELECT * INTO v_job FROM live WHERE state = 3 AND seq = v_seq AND token = p_tokens[i] FOR UPDATE;
    END IF;
    IF NOT FOUND THEN
      v_lost := v_lost || i;
      CONTINUE;
    END IF;
    v_flag := CASE WHEN p_kinds[i] = 0 THEN 512 ELSE 64 END;
    IF v_job.flags & v_flag = 0 THEN UPDATE live SET flags = flags | v_flag WHERE state = 3 AND seq = v_job.seq; END IF;
    CASE p_kinds[i]
      WHEN 0 THEN
        INSERT INTO past (seq, progress_codec, progress) VALUES (v_job.seq, p_codecs[i], p_values[i])
        ON CONFLICT (seq) DO UPDATE SET progress_codec = excluded.progress_codec, progress = excluded.progress;
        IF is_heard() THEN PERFORM tell(ARRAY[p_ids[i]], ARRAY[v_job.kind], ARRAY[3::smallint], 'p'); END IF;
      WHEN 1 THEN PERFORM write_log(v_job.seq, v_now, p_tokens[i], p_levels[i], p_texts[i], p_keep);
      ELSE
        INSERT INTO steps (seq, n, at, codec, name, value)
        SELECT v_job.seq, coalesce(max(s.n), 0) + 1, v_now, p_codecs[i], p_texts[i], p_values[i]
        FROM steps s WHERE s.seq = v_job.seq
        ON CONFLICT (seq, name) DO NOTHING;
    END CASE;
  END LOOP;
  RETURN v_lost;
END $$
