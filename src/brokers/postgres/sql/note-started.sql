-- Records that claims have started. What others hold, a transaction of the user's perhaps, nobody waits for: a renewal says
-- it again.
-- Parameters: ids, tokens, broker time
-- Cost: O(claims)
-- Called by: settle_jobs

CREATE OR REPLACE FUNCTION note_started(p_ids text[], p_tokens bigint[], p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_seqs bigint[] := ARRAY(
    SELECT l.seq FROM unnest(p_ids, p_tokens) AS s(id, token) JOIN jobs j ON j.id = s.id
    JOIN live l ON l.state = 3 AND l.seq = j.seq AND l.token = s.token AND NOT l.started
    FOR UPDATE OF l SKIP LOCKED);
BEGIN
  UPDATE live SET started = true, claimed_at = p_now WHERE state = 3 AND seq = ANY (v_seqs);
END $$
