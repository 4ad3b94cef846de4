-- Numbers of jobs by their ids, in order; null where none is kept.
-- Cost: O(ids)
-- Called by: records.ts

CREATE OR REPLACE FUNCTION seqs_of(p_ids text[]) RETURNS bigint[] LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN ARRAY(
    SELECT (SELECT j.seq FROM jobs j WHERE j.id = i.id) FROM unnest(p_ids) WITH ORDINALITY AS i(id, n) ORDER BY i.n);
END $$
