-- Adds a log line to those of a job, of which the last ones are kept. Whoever calls holds the job's row.
-- Parameters: number of the job, broker time, token, level, text, how many are kept
-- Cost: two rows
-- Called by: write_notes

CREATE OR REPLACE FUNCTION write_log(p_seq bigint, p_now bigint, p_token bigint, p_level text, p_text bytea, p_keep integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_n integer;
BEGIN
  SELECT n + 1 INTO v_n FROM logs WHERE seq = p_seq ORDER BY n DESC LIMIT 1;
  v_n := coalesce(v_n, 1);
  INSERT INTO logs (seq, n, at, token, level, text) VALUES (p_seq, v_n, p_now, p_token, p_level, p_text);
  DELETE FROM logs WHERE seq = p_seq AND n <= v_n - p_keep;
END $$
