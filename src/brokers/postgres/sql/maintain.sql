-- One bounded step of upkeep. After an outage of the server, which nobody could help, leases are extended by the gap.
-- Parameters: how long the server was away (ms) as the caller saw it since it last asked; broker time at which this call
--   left, as the caller reckons, 0 where it does not know; the most of each kind
-- Returns: how many jobs each part moved; whether a bound was reached; ms until there is something to do, or null
-- Cost: at most p_most jobs of each kind; O(queues) without any
-- Called by: messages.ts, any worker at any time

CREATE OR REPLACE FUNCTION maintain(
  p_outage_ms bigint DEFAULT 0, p_sent_at bigint DEFAULT 0, p_most integer DEFAULT 500,
  OUT promoted integer, OUT reclaimed integer, OUT expired integer, OUT pruned integer, OUT spreaded integer,
  OUT more boolean, OUT due_in bigint
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_now bigint := now_ms();
  v_grace bigint;
  v_queue integer;
  v_folded integer;
  v_next bigint;
  v_given_up integer;
  v_inbox integer := 0;
  v_more boolean := false;
  v_spreading boolean;
BEGIN
  v_grace := note_outage(v_now, greatest(p_outage_ms, CASE WHEN p_sent_at > 0 THEN v_now - p_sent_at END));
  SELECT s.spreaded, s.more INTO spreaded, v_spreading FROM spread(p_most) s;
  promoted := 0;
  -- One look a queue: the limit keeps the planner from reading all that is due.
  FOR v_queue IN SELECT k.queue FROM (SELECT DISTINCT queue FROM kinds) k, LATERAL (
    SELECT 1 FROM live WHERE state = 1 AND queue = k.queue AND due_at <= v_now LIMIT 1) d
  LOOP
    promoted := promoted + promote_due(v_queue, v_now, p_most - promoted);
    PERFORM wake(ARRAY[v_queue]);
    EXIT WHEN promoted >= p_most;
  END LOOP;
  reclaimed := 0;
  IF v_now >= v_grace THEN SELECT r.reclaimed, r.more INTO reclaimed, v_more FROM reclaim_lost(v_now, p_most) r; END IF;
  expired := 0;
  FOR v_queue IN SELECT DISTINCT k.queue FROM kinds k LOOP
    expired := expired + expire_due(v_queue, v_now, p_most - expired, false);
    EXIT WHEN expired >= p_most;
  END LOOP;
  v_given_up := give_up_staged(v_now, p_most);
  -- After the others, so that what they ended and keeps for no time goes at once.
  IF NOT v_spreading THEN SELECT s.more INTO v_spreading FROM spread(p_most) s; END IF;
  pruned := prune_jobs(v_now, p_most) + v_given_up;
  PERFORM drop_old(v_now, p_most);
  PERFORM mark_slots();
  IF EXISTS (SELECT 1 FROM inbox) AND pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' lanes', 0)) THEN
    v_inbox := read_inbox(v_now, p_most);
  END IF;
  v_folded := fold_tally(10000);
  SELECT min(at) INTO v_next FROM (
    SELECT (SELECT due_at FROM live WHERE state = 1 AND queue = k.queue ORDER BY due_at LIMIT 1) AS at
    FROM (SELECT DISTINCT queue FROM kinds) k
    -- Leases of one claim after the other would have this called without end.
    UNION ALL (SELECT greatest(until, v_grace, v_now + 250) FROM leases ORDER BY until LIMIT 1)
    UNION ALL SELECT (SELECT expires_at FROM live WHERE queue = k.queue AND expires_at IS NOT NULL AND state < 3
      AND flags & 4096 = 0 ORDER BY expires_at LIMIT 1)
    FROM (SELECT DISTINCT queue FROM kinds) k
    UNION ALL (SELECT prune_at FROM ended WHERE prune_at IS NOT NULL ORDER BY prune_at LIMIT 1)
    UNION ALL (SELECT staged_at + 86400000 FROM workflows ORDER BY staged_at LIMIT 1)
    UNION ALL SELECT v_now + 250 WHERE EXISTS (SELECT 1 FROM outbox)
  ) n;
  due_in := CASE WHEN v_next IS NOT NULL THEN greatest(0, v_next - v_now) END;
  more := v_more OR v_spreading OR p_most <= greatest(promoted, reclaimed, expired, pruned, spreaded, v_inbox)
    OR v_folded >= 10000;
END $$
