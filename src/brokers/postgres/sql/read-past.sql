-- What has happened to a job; as new where nothing has.
-- Cost: one row
-- Called by: whatever adds to it

CREATE OR REPLACE FUNCTION read_past(p_seq bigint) RETURNS past LANGUAGE plpgsql AS $$
DECLARE
  v_past past;
BEGIN
  SELECT * INTO v_past FROM past WHERE seq = p_seq;
  IF NOT FOUND THEN
    v_past.seq := p_seq;
    v_past.failures := 0;
    v_past.crashes := 0;
    v_past.settled_token := 0;
  END IF;
  RETURN v_past;
END $$
