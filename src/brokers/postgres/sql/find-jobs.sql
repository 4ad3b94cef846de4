-- Looks for jobs in the order of enqueueing. One index is read, in order and no further than needed; each job in it is
-- looked at by itself.
-- Parameters: all null where they do not matter: states, queue, task, partition, workflow, search fields and their values,
--   tag, fingerprint, enqueued from and before (ms); then the newest first, the number of the last job of the page before,
--   the most jobs, the most that are looked at, whether to pass over those that are being cancelled
-- Returns: numbers of jobs in order; that of the last one looked at; whether there is more behind it
-- Cost: O(looked at)
-- Called by: records.ts

CREATE OR REPLACE FUNCTION find_jobs(
  p_states smallint[], p_queue text, p_task text, p_partition text, p_workflow text, p_fields text[], p_values text[],
  p_tag text, p_fingerprint text, p_from bigint, p_to bigint, p_newest boolean, p_cursor bigint, p_most integer,
  p_look integer, p_uncancelled boolean, OUT seqs bigint[], OUT last bigint, OUT more boolean
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET enable_bitmapscan = off SET enable_sort = off
-- Where reading a page costs nothing, the index that holds the fewest is the one that is read.
SET random_page_cost = 0 SET seq_page_cost = 0 SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
  -- Jobs of several connections are in order only nearly.
  c_margin CONSTANT bigint := 2000;
  v_kinds integer[];
  v_low bigint := CASE WHEN p_from IS NULL THEN 0 ELSE seq_at(p_from - c_margin) - 1 END;
  v_high bigint := CASE WHEN p_to IS NULL THEN 9223372036854775807 ELSE seq_at(p_to + c_margin) END;
  v_source record;
  v_row record;
  v_looked integer := 0;
  v_found integer := 0;
BEGIN
  seqs := '{}';
  more := false;
  IF p_cursor IS NOT NULL AND p_newest THEN v_high := least(v_high, p_cursor); END IF;
  IF p_cursor IS NOT NULL AND NOT p_newest THEN v_low := greatest(v_low, p_cursor); END IF;
  IF p_queue IS NOT NULL OR p_task IS NOT NULL THEN
    v_kinds := ARRAY(
      SELECT k.id FROM kinds k
      WHERE (p_queue IS NULL OR k.queue = (SELECT id FROM names WHERE name = p_queue))
        AND (p_task IS NULL OR k.task = (SELECT id FROM names WHERE name = p_task)));
    IF cardinality(v_kinds) = 0 THEN RETURN; END IF;
  END IF;
  IF cardinality(p_states) = 0 THEN RETURN; END IF;
  SELECT * INTO v_source FROM job_source(
    p_states, v_kinds, p_workflow IS NOT NULL, cardinality(p_fields) > 0, p_fingerprint IS NOT NULL,
    CASE WHEN p_newest THEN 'DESC' ELSE 'ASC' END, p_look + 1);
  FOR v_row IN EXECUTE format(
    'SELECT s.seq, coalesce(%s, false) AS matches FROM (%s) s',
    job_filter(v_source.covers, p_states, v_kinds, p_partition, p_workflow, p_fields, p_tag, p_fingerprint, p_from, p_to,
      p_uncancelled), v_source.source)
    USING v_low, v_high, ARRAY(SELECT s FROM unnest(p_states) AS u(s) WHERE s < 4),
      ARRAY(SELECT s FROM unnest(p_states) AS u(s) WHERE s >= 4), v_kinds, p_partition, p_workflow, p_fields, p_values,
      p_tag, p_fingerprint, p_from, p_to
  LOOP
    more := v_found = p_most OR v_looked = p_look;
    EXIT WHEN more;
    v_looked := v_looked + 1;
    last := v_row.seq;
    IF v_row.matches THEN
      v_found := v_found + 1;
      seqs := seqs || v_row.seq;
    END IF;
  END LOOP;
END $$
