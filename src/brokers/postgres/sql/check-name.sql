-- Refuses what is no name of a task or a queue, as the library has it.
-- Parameters: which of them, the name
-- Called by: enqueue

CREATE OR REPLACE FUNCTION check_name(p_kind text, p_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(p_name ~ '^[A-Za-z0-9_.:-]{1,128}$', false) THEN RETURN; END IF;
  RAISE EXCEPTION '% is no name for a %', coalesce(quote_literal(left(p_name, 60)), 'null'), p_kind
    USING ERRCODE = '22023', HINT = 'Use 1 to 128 letters, digits or _ . : -';
END $$
