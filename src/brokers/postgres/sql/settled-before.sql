-- Whether this outcome was recorded with this token already: then its repetition does no harm.
-- Parameters: id, number of the job or null, token, kind of outcome
-- Cost: a few rows
-- Called by: settle_one

CREATE OR REPLACE FUNCTION settled_before(p_id text, p_seq bigint, p_token bigint, p_kind integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM ended WHERE state IN (4, 5, 6) AND seq = p_seq AND token = p_token AND outcome = p_kind)
    OR EXISTS (SELECT 1 FROM past WHERE seq = p_seq AND settled_token = p_token AND settled_outcome = p_kind)
    OR EXISTS (SELECT 1 FROM tombstones WHERE id = p_id AND token = p_token AND outcome = p_kind AND until > now_ms());
END $$
