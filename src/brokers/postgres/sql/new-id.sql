-- A new id: a UUID of version 7, whose first 48 bits are the time in ms, so that ids sort by when they were made.
-- Called by: enqueue

CREATE OR REPLACE FUNCTION new_id() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_time bytea := substring(int8send(now_ms()) FROM 3);
  -- Version 4, whose bits 0100 become 0111.
  v_bytes bytea := v_time || substring(uuid_send(gen_random_uuid()) FROM 7);
BEGIN
  RETURN encode(set_byte(v_bytes, 6, get_byte(v_bytes, 6) | 48), 'hex')::uuid::text;
END $$
