-- Records what became of claimed jobs. Plain successes are recorded together, all others one by one.
-- Parameters: for each outcome id and token; its kind (0 succeeded, 1 retry, 2 failed, 3 released, 4 snoozed, 5 unknown,
--   6 cancelled; null where all succeeded), run time (ms), codec (0) and bytes of the result; number of the job and when it was
--   enqueued, as its claim said (null: it is looked up); delay (ms), index of the reason, error (JSON) and its fingerprint; then claims that have started; whether to take care
--   of rows that others hold, as after this call could not have a lock in half a second; whether this is a transaction of the user's,
--   which must not make others wait
-- Returns: broker time; the numbers (from 1) of the outcomes that are lost, and of those that a transaction of the user's
--   is about to record
-- Cost: O(outcomes)
-- Called by: messages.ts, settle_within

CREATE OR REPLACE FUNCTION settle_jobs(
  p_ids text[], p_tokens bigint[], p_kinds smallint[], p_ran bigint[], p_codecs smallint[], p_results bytea[],
  p_seqs bigint[] DEFAULT NULL, p_created bigint[] DEFAULT NULL, p_delays bigint[] DEFAULT NULL, p_reasons smallint[] DEFAULT NULL, p_errors text[] DEFAULT NULL,
  p_fingerprints text[] DEFAULT NULL, p_started_ids text[] DEFAULT NULL, p_started_tokens bigint[] DEFAULT NULL,
  p_careful boolean DEFAULT false, p_deferred boolean DEFAULT false,
  OUT now bigint, OUT lost integer[], OUT away integer[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_now bigint := now_ms();
  v_heard boolean := is_heard();
  v_done bigint[];
  v_ids text[];
  v_kinds integer[];
  v_outcome record;
  v_answer integer;
  v_count integer := cardinality(p_ids);
BEGIN
  now := v_now;
  IF NOT p_careful AND NOT p_deferred THEN PERFORM set_config('lock_timeout', '500', true); END IF;
  IF p_started_ids IS NOT NULL THEN PERFORM note_started(p_started_ids, p_started_tokens, v_now); END IF;
  IF v_count = 0 THEN RETURN; END IF;
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest(p_ids, p_tokens, p_kinds, p_ran, p_codecs, p_results, p_seqs, p_created) WITH ORDINALITY
      AS o(id, token, kind, ran, codec, result, seq, created, n)
    WHERE coalesce(kind, 0) = 0 AND seq IS NOT NULL AND NOT p_deferred AND NOT p_careful
  ), gone AS (
    DELETE FROM live l USING given o
    WHERE l.state = 3 AND l.seq = o.seq AND l.token = o.token
      -- Nothing hangs on it: no key, cancel, ties, retention of its own, past, or slots.
      AND l.flags & (1 | 2 | 4 | 8 | 256 | 512 | 1024) = 0
    RETURNING l.seq, l.token, l.kind, l.worker, l.flags, greatest(o.created, coalesce(v_now - o.ran, l.claimed_at)) AS started_at,
      o.ran, coalesce(o.codec, 0) AS codec, o.result, o.n, o.id
  ), written AS (
    INSERT INTO ended (seq, ended_at, started_at, token, prune_at, kind, worker, flags, state, outcome, result_codec, result)
    SELECT seq, v_now, started_at, token, v_now + 3600000, kind, worker, flags, 4, 0, codec, result FROM gone
  ), counted AS (
    INSERT INTO tally (kind, minute_at, active, succeeded, did_succeed, ran_ms)
    SELECT kind, v_now / 60000 * 60000, -count(*), count(*), count(*), coalesce(sum(ran), 0) FROM gone GROUP BY kind
  )
  SELECT array_agg(n), CASE WHEN v_heard THEN array_agg(id) END, CASE WHEN v_heard THEN array_agg(kind) END
  INTO v_done, v_ids, v_kinds FROM gone;
  IF v_ids IS NOT NULL THEN PERFORM tell(v_ids, v_kinds, ARRAY[4::smallint]); END IF;
  IF coalesce(cardinality(v_done), 0) = v_count THEN RETURN; END IF;

  FOR v_outcome IN
    SELECT * FROM unnest(p_ids, p_tokens, p_kinds, p_ran, p_codecs, p_results, p_delays, p_reasons, p_errors, p_fingerprints)
      WITH ORDINALITY AS o(id, token, kind, ran, codec, result, delay, reason, error, fingerprint, n)
    WHERE n <> ALL (coalesce(v_done, '{}')) ORDER BY n
  LOOP
    v_answer := settle_one(v_outcome.id, v_outcome.token, coalesce(v_outcome.kind, 0), v_outcome.ran,
      coalesce(v_outcome.codec, 0), v_outcome.result, v_outcome.delay, v_outcome.reason, v_outcome.error,
      v_outcome.fingerprint, v_now, p_deferred);
    IF v_answer = 1 THEN lost := lost || v_outcome.n::integer; END IF;
    IF v_answer = 2 THEN away := away || v_outcome.n::integer; END IF;
    IF v_answer = 0 AND NOT p_deferred THEN PERFORM spread(100); END IF;
  END LOOP;
END $$
