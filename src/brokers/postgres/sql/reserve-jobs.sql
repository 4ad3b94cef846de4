-- Claims ready jobs: state, lease and token in one step.
-- Parameters: broker time or null for now (it makes this call wait for another in the same statement), queues in order,
--   the most jobs, length of the leases (ms), worker, how many of the first count as started, how many suspects may be
--   among them; the lowest places as claim_plain takes them, ten a queue; whether to tell who writes at this moment
-- Returns: now; ms until something of these queues falls due, or null; the jobs as columns, null where no job has any:
--   numbers, tokens, kinds, priorities; then, in another order, which of them, times of enqueueing, ids, inputs; then in the
--   first order codecs, versions, flags, due times, partitions, rare fields, and what has happened to them; first places, ten a queue; and, where asked for, the last place given out and
--   the transactions that hold places
-- Cost: O(max + queues)
-- Called by: messages.ts, alone and together with settle_jobs

CREATE OR REPLACE FUNCTION reserve_jobs(
  p_now bigint, p_queues text[], p_max integer, p_lease_ms bigint, p_worker text, p_starting integer, p_suspects integer,
  p_lows bigint[] DEFAULT NULL, p_look boolean DEFAULT false,
  OUT now bigint, OUT due_in bigint, OUT seqs bigint[], OUT tokens bigint[], OUT kinds integer[], OUT priorities smallint[],
  OUT numbers integer[], OUT created bigint[], OUT ids text[], OUT inputs bytea[], OUT codecs smallint[], OUT versions smallint[],
  OUT flags integer[], OUT dues bigint[], OUT partitions text[], OUT rares text[], OUT failures integer[],
  OUT crashes integer[], OUT unknowns bigint[], OUT progress_codecs smallint[], OUT progresses bytea[],
  OUT heads bigint[], OUT tip bigint, OUT writers text[]
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_queues integer[];
  v_queue integer;
  v_n integer := 0;
  v_left integer := p_max;
  v_starting integer := p_starting;
  v_suspects integer := p_suspects;
  v_until bigint;
  v_worker integer;
  v_look record;
  v_claim record;
  v_heads bigint[];
  v_rare boolean;
  v_due bigint;
  v_more boolean := false;
  v_expired integer;
BEGIN
  now := coalesce(p_now, now_ms());
  -- A claim that a crash forgets was none. Together with outcomes it waits for the disk as they do.
  IF NOT note_start() AND p_now IS NULL THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  v_until := now + p_lease_ms;
  v_worker := name_id(p_worker);
  SELECT array_agg(n.id ORDER BY q.n) INTO v_queues
  FROM unnest(p_queues) WITH ORDINALITY AS q(name, n) LEFT JOIN names n ON n.name = q.name;
  -- Whoever changes limits waits for the claims under way, and they for nobody.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ' rules', 0));
  FOREACH v_queue IN ARRAY coalesce(v_queues, '{}') LOOP
    v_n := v_n + 1;
    v_heads := NULL;
    SELECT look.* INTO v_look FROM look_at_queue(v_queue, now) look;
    IF v_queue IS NOT NULL AND NOT v_look.paused THEN
      IF v_look.due THEN PERFORM promote_due(v_queue, now, 500); END IF;
      IF v_look.expired THEN
        v_expired := expire_due(v_queue, now, 500, true);
        PERFORM spread(100);
        v_more := v_more OR v_expired = 500;
      END IF;
      IF v_left > 0 THEN
        -- What has just been promoted may stand in a lane of its own.
        IF v_look.turns OR (v_look.due OR v_look.expired) AND takes_turns(v_queue) THEN
          SELECT * INTO v_claim FROM claim_by_turns(v_queue, now, v_until, v_worker, v_left, v_starting, v_suspects);
          v_suspects := v_claim.suspects;
          v_more := v_more OR v_claim.unsorted;
          -- Soon, but not at once, which would be over and over.
          IF v_claim.stuck THEN v_due := least(v_due, now + 100); END IF;
        ELSE
          SELECT * INTO v_claim
          FROM claim_plain(v_queue, now, v_until, v_worker, v_left, v_starting, p_lows[v_n * 10 - 9 : v_n * 10]);
          v_heads := v_claim.heads;
        END IF;
        IF v_claim.dues IS NOT NULL OR dues IS NOT NULL THEN
          dues := coalesce(dues, array_fill(NULL::bigint, ARRAY[coalesce(cardinality(seqs), 0)]))
            || coalesce(v_claim.dues, array_fill(NULL::bigint, ARRAY[coalesce(cardinality(v_claim.seqs), 0)]));
        END IF;
        seqs := seqs || v_claim.seqs;
        tokens := tokens || v_claim.tokens;
        kinds := kinds || v_claim.kinds;
        priorities := priorities || v_claim.priorities;
        flags := flags || v_claim.flags;
        v_left := v_left - cardinality(v_claim.seqs);
        v_starting := greatest(0, v_starting - cardinality(v_claim.seqs));
      END IF;
      v_due := least(v_due, next_due(v_queue, now));
    END IF;
    heads := heads || coalesce(v_heads, array_fill(NULL::bigint, ARRAY[10]));
  END LOOP;
  due_in := CASE WHEN v_more THEN 0 WHEN v_due IS NOT NULL THEN greatest(0, v_due - now) END;
  IF cardinality(seqs) > 0 THEN
    -- In whatever order they come: `numbers` says which is which, which costs less than to sort them.
    SELECT array_agg(s.n::integer), array_agg(j.created_at), array_agg(j.id), array_agg(j.input),
      bool_or(j.codec <> 0 OR j.version <> 1 OR j.partition IS NOT NULL OR j.rare IS NOT NULL)
    INTO numbers, created, ids, inputs, v_rare
    FROM unnest(seqs) WITH ORDINALITY AS s(seq, n) JOIN jobs j ON j.seq = s.seq;
    IF v_rare THEN
      SELECT array_agg(j.codec ORDER BY s.n), array_agg(j.version ORDER BY s.n), array_agg(j.partition ORDER BY s.n),
        array_agg(j.rare ORDER BY s.n)
      INTO codecs, versions, partitions, rares
      FROM unnest(seqs) WITH ORDINALITY AS s(seq, n) JOIN jobs j ON j.seq = s.seq;
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(flags) AS f(flags) WHERE f.flags <> 0) THEN
      PERFORM after_claim(seqs);
      SELECT array_agg(coalesce(p.failures, 0) ORDER BY s.n), array_agg(coalesce(p.crashes, 0) ORDER BY s.n),
        array_agg(p.unknown_since ORDER BY s.n), array_agg(p.progress_codec ORDER BY s.n),
        array_agg(p.progress ORDER BY s.n)
      INTO failures, crashes, unknowns, progress_codecs, progresses
      FROM unnest(seqs) WITH ORDINALITY AS s(seq, n) LEFT JOIN past p ON p.seq = s.seq;
    ELSE
      flags := NULL;
    END IF;
    -- Rows of less than two kilobytes are stored as they are, neither compressed nor apart.
    INSERT INTO leases (token, until, seqs)
    SELECT reserve_jobs.tokens[i], v_until, reserve_jobs.seqs[i : i + 199] FROM generate_series(1, cardinality(reserve_jobs.seqs), 200) AS g(i);
    INSERT INTO tally (kind, minute_at, ready, active)
    SELECT k.kind, now / 60000 * 60000, -count(*), count(*) FROM unnest(kinds) AS k(kind) GROUP BY k.kind;
    IF is_heard() THEN
      PERFORM tell(array_agg(i.id ORDER BY i.n), array_agg(kinds[i.n] ORDER BY i.n), ARRAY[3::smallint])
      FROM unnest(ids, numbers) AS i(id, n);
    END IF;
  END IF;
  IF p_look THEN
    tip := pg_sequence_last_value('seqs'::regclass);
    SELECT coalesce(array_agg(l.virtualtransaction), '{}') INTO writers FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.relation = 'live'::regclass AND l.mode = 'RowExclusiveLock'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid();
  END IF;
END $$
