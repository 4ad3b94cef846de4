-- What else a job has to be, besides standing in the index that find_jobs reads: a condition on its number. Subqueries,
-- since each is looked up for one job at a time.
-- Parameters: as find_jobs; the condition that its index covers
-- Called by: find_jobs

CREATE OR REPLACE FUNCTION job_filter(
  p_covers text, p_states smallint[], p_kinds integer[], p_partition text, p_workflow text, p_fields text[], p_tag text,
  p_fingerprint text, p_from bigint, p_to bigint, p_uncancelled boolean
) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_job text := concat_ws(' AND ',
    CASE WHEN p_kinds IS NOT NULL AND p_covers <> 'kinds' THEN 'j.kind = ANY ($5)' END,
    CASE WHEN p_partition IS NOT NULL THEN 'j.partition = $6' END,
    CASE WHEN p_workflow IS NOT NULL AND p_covers <> 'workflow' THEN 'j.workflow = $7' END,
    CASE WHEN p_tag IS NOT NULL THEN '$10 = ANY (j.tags)' END,
    CASE WHEN p_from IS NOT NULL THEN 'j.created_at >= $12' END,
    CASE WHEN p_to IS NOT NULL THEN 'j.created_at < $13' END);
  v_search text;
BEGIN
  SELECT string_agg(format('(SELECT true FROM search x WHERE x.field = $8[%s] AND x.value = $9[%s] AND x.seq = s.seq)', i, i),
    ' AND ') INTO v_search
  FROM generate_series(CASE WHEN p_covers = 'search' THEN 2 ELSE 1 END, cardinality(p_fields)) AS g(i);
  RETURN concat_ws(' AND ', 'true',
    CASE WHEN v_job <> '' THEN format('(SELECT true FROM jobs j WHERE j.seq = s.seq AND %s)', v_job) END,
    v_search,
    CASE WHEN p_fingerprint IS NOT NULL AND p_covers <> 'fingerprint'
      THEN '(SELECT true FROM past p WHERE p.seq = s.seq AND p.fingerprint = $11)' END,
    CASE WHEN p_states IS NOT NULL AND p_covers <> 'states'
      THEN '((SELECT true FROM live l WHERE l.state = ANY ($3) AND l.seq = s.seq)'
        ' OR (SELECT true FROM ended e WHERE e.state = ANY ($4) AND e.seq = s.seq))' END,
    CASE WHEN p_uncancelled
      THEN '(SELECT true FROM live l WHERE l.state = 3 AND l.seq = s.seq AND l.flags & 2 <> 0) IS NULL' END);
END $$
