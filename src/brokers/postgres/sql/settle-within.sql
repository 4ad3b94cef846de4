-- Records a success in a transaction of the user's. What follows from it is spread by upkeep after the commit.
-- Parameters: JSON of id, token, ran (ms), codec, result (base64)
-- Returns: 'ok' or 'lost'
-- Cost: O(dependencies)
-- Called by: postgres.ts, on the user's connection

CREATE OR REPLACE FUNCTION settle_within(p_text text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp AS $$
DECLARE
  v json := p_text::json;
  v_answer record;
BEGIN
  SELECT s.lost, s.away INTO v_answer FROM settle_jobs(
    ARRAY[v ->> 'id'], ARRAY[(v ->> 'token')::bigint], NULL, ARRAY[(v ->> 'ran')::bigint], ARRAY[(v ->> 'codec')::smallint],
    ARRAY[decode(v ->> 'result', 'base64')], p_deferred => true) s;
  RETURN CASE WHEN v_answer.lost IS NULL AND v_answer.away IS NULL THEN 'ok' ELSE 'lost' END;
END $$
