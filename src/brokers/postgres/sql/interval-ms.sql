-- An interval as milliseconds from now, where months and days have their own lengths; null for null.
-- Parameters: what it is called, the interval, the least (ms)
-- Called by: enqueue

CREATE OR REPLACE FUNCTION interval_ms(p_name text, p_interval interval, p_least bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_ms double precision := round(extract(epoch FROM (now() + p_interval) - now()) * 1000);
BEGIN
  IF p_interval IS NULL OR v_ms BETWEEN p_least AND 3155760000000 THEN RETURN v_ms; END IF;
  RAISE EXCEPTION '% is %', p_name, quote_literal(p_interval)
    USING ERRCODE = '22023', HINT = format('It is from %s ms to 100 years.', p_least);
END $$
