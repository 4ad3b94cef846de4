-- Counts anew which active jobs hold slots of the scopes of rules that have changed. What others are about to end, in a
-- transaction of the user's perhaps, is counted, and marked later by mark_slots: nobody is waited for here.
-- Parameters: the rules
-- Cost: O(active jobs)
-- Called by: set_limits, under the locks of rules and lanes

CREATE OR REPLACE FUNCTION count_slots(p_changed rules[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_rule rules;
  v_queues integer[] := '{}';
  v_tasks integer[] := '{}';
  v_parted integer[] := '{}';
  v_locked bigint[];
  v_unmarked boolean;
BEGIN
  FOREACH v_rule IN ARRAY p_changed LOOP
    -- One that somebody holds is about to be deleted, or stays as it is.
    IF v_rule.scope = 'p' THEN
      WITH free AS MATERIALIZED (SELECT scope, seq FROM slots
        WHERE scope >= 'p' || v_rule.name || '/' AND scope < 'p' || v_rule.name || '0' FOR UPDATE SKIP LOCKED)
      DELETE FROM slots s USING free f WHERE s.scope = f.scope AND s.seq = f.seq;
    ELSE
      WITH free AS MATERIALIZED (SELECT scope, seq FROM slots
        WHERE scope = v_rule.scope::text || v_rule.name FOR UPDATE SKIP LOCKED)
      DELETE FROM slots s USING free f WHERE s.scope = f.scope AND s.seq = f.seq;
    END IF;
    CONTINUE WHEN (rule_of(v_rule.scope, v_rule.name)).scope IS NULL;
    CASE v_rule.scope
      WHEN 'q' THEN v_queues := v_queues || v_rule.name;
      WHEN 't' THEN v_tasks := v_tasks || v_rule.name;
      ELSE v_parted := v_parted || v_rule.name;
    END CASE;
  END LOOP;
  IF v_queues || v_tasks || v_parted = '{}' THEN RETURN; END IF;
  v_locked := ARRAY(SELECT l.seq FROM live l, kinds k
    WHERE l.state = 3 AND k.id = l.kind
      AND (l.queue = ANY (v_queues) OR k.task = ANY (v_tasks) OR (l.partition IS NOT NULL AND l.queue = ANY (v_parted)))
    FOR UPDATE OF l SKIP LOCKED);
  UPDATE live SET flags = flags | 1024 WHERE state = 3 AND seq = ANY (v_locked);
  WITH active AS (
    SELECT l.seq, l.token, l.queue, k.task, l.partition, l.flags FROM live l, kinds k
    WHERE l.state = 3 AND k.id = l.kind
      AND (l.queue = ANY (v_queues) OR k.task = ANY (v_tasks) OR (l.partition IS NOT NULL AND l.queue = ANY (v_parted)))
  ), wanted AS (
    SELECT 'q' || queue AS scope, seq, token FROM active WHERE queue = ANY (v_queues)
    UNION ALL SELECT 't' || task, seq, token FROM active WHERE task = ANY (v_tasks)
    UNION ALL SELECT 'p' || queue || '/' || partition, seq, token FROM active
      WHERE partition IS NOT NULL AND queue = ANY (v_parted)
  ), counted AS (
    INSERT INTO slots (scope, seq, token) SELECT scope, seq, token FROM wanted w
    WHERE NOT EXISTS (SELECT 1 FROM slots s WHERE s.scope = w.scope AND s.seq = w.seq)
  )
  SELECT coalesce(bool_or(flags & 1024 = 0), false) INTO v_unmarked FROM active;
  IF v_unmarked THEN
    INSERT INTO meta (key, value) VALUES ('unmarked', txid_current())
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;
  END IF;
END $$
