-- Ids of jobs by their numbers, in order.
-- Cost: O(numbers)
-- Called by: records.ts

CREATE OR REPLACE FUNCTION ids_of(p_seqs bigint[]) RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN ARRAY(SELECT j.id FROM unnest(p_seqs) WITH ORDINALITY AS s(seq, n) JOIN jobs j ON j.seq = s.seq ORDER BY s.n);
END $$
