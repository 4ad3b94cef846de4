-- Claims are committed without waiting for the disk, so a crash of the server may forget the last of them, and with them
-- which tokens it gave out; a standby that takes over may never have known. So tokens jump by a million at each start of a
-- server and after each crash of one of its processes, which is more than can be forgotten, and no token is given out twice.
-- Returns: whether this is the first claim since then: it has to be on disk
-- Cost: one row
-- Called by: reserve_jobs

CREATE OR REPLACE FUNCTION note_start() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_start text := extract(epoch FROM pg_postmaster_start_time())::text;
BEGIN
  IF EXISTS (SELECT 1 FROM started WHERE at = v_start) THEN RETURN false; END IF;
  INSERT INTO started (at) VALUES (v_start) ON CONFLICT (at) DO NOTHING;
  -- Who was second finds the row there, and the tokens moved.
  IF FOUND THEN
    PERFORM setval('tokens', nextval('tokens') + 1000000);
    DELETE FROM started WHERE at <> v_start;
  END IF;
  RETURN true;
END $$
