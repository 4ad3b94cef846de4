-- Stores jobs in a transaction of the user's: as enqueue_jobs, by one text, which every client can send.
-- Parameters: JSON of the columns by name, inputs in base64
-- Returns: JSON of statuses and others
-- Cost: O(jobs)
-- Called by: postgres.ts, on the user's connection

CREATE OR REPLACE FUNCTION enqueue_within(p_text text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp AS $$
DECLARE
  v json := p_text::json;
  v_answer record;
BEGIN
  SELECT * INTO v_answer FROM enqueue_jobs(
    json_texts(v -> 'queues'), json_texts(v -> 'tasks'), json_texts(v -> 'pairs')::integer[], json_texts(v -> 'ids'),
    ARRAY(SELECT decode(i, 'base64') FROM unnest(json_texts(v -> 'inputs')) WITH ORDINALITY AS x(i, n) ORDER BY n),
    json_texts(v -> 'groups')::integer[], json_texts(v -> 'priorities')::smallint[], json_texts(v -> 'codecs')::smallint[],
    json_texts(v -> 'versions')::smallint[], json_texts(v -> 'delays')::bigint[], json_texts(v -> 'runAts')::bigint[],
    json_texts(v -> 'expires')::bigint[], json_texts(v -> 'partitions'), json_texts(v -> 'rares'),
    json_texts(v -> 'workflows'), json_texts(v -> 'tags'), json_texts(v -> 'flags')::integer[], json_texts(v -> 'uniques'),
    json_texts(v -> 'keepSucceeded')::bigint[], json_texts(v -> 'keepFailed')::bigint[],
    json_texts(v -> 'keepCancelled')::bigint[], json_texts(v -> 'maxCrashes')::integer[],
    json_texts(v -> 'afterJobs')::integer[], json_texts(v -> 'afterIds'), json_texts(v -> 'afterSuccess')::boolean[],
    json_texts(v -> 'searchJobs')::integer[], json_texts(v -> 'searchFields'), json_texts(v -> 'searchValues'), NULL, true
  );
  RETURN json_build_object('statuses', v_answer.statuses, 'others', v_answer.others)::text;
END $$
