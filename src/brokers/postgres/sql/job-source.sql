-- The index that holds the fewest of the jobs that a query asks for, as a query for their numbers in order. Several parts
-- of indexes are merged as they are read. Its parameters are those of find_jobs' own query.
-- Parameters: the states of find_jobs, or null; kinds, or null; whether a workflow, search fields, or a fingerprint are
--   asked for; DESC or ASC; the most numbers
-- Returns: the query; which condition it covers
-- Called by: find_jobs

CREATE OR REPLACE FUNCTION job_source(
  p_states smallint[], p_kinds integer[], p_workflow boolean, p_search boolean, p_fingerprint boolean, p_direction text,
  p_most integer, OUT source text, OUT covers text
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_parts text[] := '{jobs WHERE true}';
  -- Of these there are few as a rule.
  v_rare boolean := p_states IS NOT NULL AND NOT p_states && '{2,4}'::smallint[];
  v_end text := format(' ORDER BY seq %s LIMIT %s', p_direction, p_most);
BEGIN
  covers := 'time';
  IF p_workflow THEN
    covers := 'workflow';
    v_parts := '{jobs WHERE workflow = $7}';
  ELSIF p_search THEN
    covers := 'search';
    v_parts := '{search WHERE field = $8[1] AND value = $9[1]}';
  ELSIF p_fingerprint THEN
    covers := 'fingerprint';
    v_parts := '{past WHERE fingerprint = $11}';
  ELSIF p_states IS NOT NULL AND (v_rare OR p_kinds IS NULL) THEN
    covers := 'states';
    v_parts := ARRAY(
      SELECT format('%s WHERE state = %s', CASE WHEN s < 4 THEN 'live' ELSE 'ended' END, s) FROM unnest(p_states) AS u(s));
  ELSIF cardinality(p_kinds) <= 100 THEN
    covers := 'kinds';
    v_parts := ARRAY(SELECT format('jobs WHERE kind = %s', k) FROM unnest(p_kinds) AS u(k));
  END IF;
  SELECT string_agg(format('(SELECT seq FROM %s AND seq > $1 AND seq < $2%s)', p, v_end), ' UNION ALL ')
    || CASE WHEN cardinality(v_parts) > 1 THEN v_end ELSE '' END
  INTO source FROM unnest(v_parts) AS u(p);
END $$
