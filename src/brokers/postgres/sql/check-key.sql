-- Refuses what is no id or key: 1 to 512 bytes without control characters, as the library has it.
-- Parameters: what it is called, the value
-- Called by: enqueue

CREATE OR REPLACE FUNCTION check_key(p_name text, p_value text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(octet_length(p_value) BETWEEN 1 AND 512 AND p_value !~ '[\u0001-\u001f\u007f-\u009f]', false) THEN RETURN; END IF;
  RAISE EXCEPTION '% is %', p_name, coalesce(quote_literal(left(p_value, 60)), 'null')
    USING ERRCODE = '22023', HINT = 'Use 1 to 512 bytes of UTF-8 without control characters.';
END $$
