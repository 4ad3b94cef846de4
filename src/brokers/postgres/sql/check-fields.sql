-- Refuses search fields or headers that the library would refuse: an object of a few names and short texts.
-- Parameters: search or headers, the object
-- Cost: O(fields)
-- Called by: enqueue

CREATE OR REPLACE FUNCTION check_fields(p_kind text, p_fields jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_most integer := CASE p_kind WHEN 'search' THEN 8 ELSE 32 END;
  v_names text := CASE p_kind WHEN 'search' THEN '^[A-Za-z0-9_]{1,64}$' ELSE '^[^\u0001-\u001f\u007f]{1,128}$' END;
  v_name text;
  v_value jsonb;
BEGIN
  IF p_fields IS NULL THEN RETURN; END IF;
  IF jsonb_typeof(p_fields) <> 'object' THEN
    RAISE EXCEPTION '% is no object', p_kind USING ERRCODE = '22023', HINT = 'Give texts by name: {"to": "ada"}.';
  END IF;
  IF (SELECT count(*) FROM jsonb_object_keys(p_fields)) > v_most THEN
    RAISE EXCEPTION '% has more than % fields', p_kind, v_most USING ERRCODE = '22023';
  END IF;
  FOR v_name, v_value IN SELECT f.key, f.value FROM jsonb_each(p_fields) f LOOP
    IF v_name !~ v_names THEN
      RAISE EXCEPTION '% is no name for a field of %', quote_literal(left(v_name, 60)), p_kind USING ERRCODE = '22023',
        HINT = CASE p_kind WHEN 'search' THEN 'Use 1 to 64 letters, digits or _' ELSE 'Use 1 to 128 plain characters.' END;
    END IF;
    IF jsonb_typeof(v_value) <> 'string' THEN
      RAISE EXCEPTION '%.% is no text', p_kind, v_name USING ERRCODE = '22023';
    END IF;
    IF p_kind = 'search' THEN
      PERFORM check_key('search.' || v_name, v_value #>> '{}');
    ELSIF octet_length(v_value #>> '{}') > 4096 THEN
      RAISE EXCEPTION '%.% has more than 4096 bytes', p_kind, v_name USING ERRCODE = '22023';
    END IF;
  END LOOP;
END $$
