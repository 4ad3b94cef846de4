-- A JSON array as an array of texts; null for none.
-- Called by: enqueue_within

CREATE OR REPLACE FUNCTION json_texts(p_json json) RETURNS text[] LANGUAGE sql IMMUTABLE AS
$$SELECT CASE WHEN json_typeof(p_json) = 'array'
  THEN ARRAY(SELECT value FROM json_array_elements_text(p_json) WITH ORDINALITY AS e(value, n) ORDER BY n) END$$
