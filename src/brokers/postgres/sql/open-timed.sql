-- Opens lanes that waited for the rate of a limit.
-- Parameters: broker time
-- Cost: O(scopes whose time has come), at most 500
-- Called by: claim_by_turns; under the lock of the lanes

CREATE OR REPLACE FUNCTION open_timed(p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_key text;
BEGIN
  FOR v_key IN SELECT scope FROM scopes WHERE open_at IS NOT NULL AND open_at <= p_now ORDER BY open_at LIMIT 500 LOOP
    PERFORM fill_lanes(v_key, 1000000, p_now);
  END LOOP;
END $$
