-- A job has ended and needs the records of others no longer; these are looked at by `spread`.
-- Cost: O(dependencies)
-- Called by: end_job

CREATE OR REPLACE FUNCTION let_go(p_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (DELETE FROM edges WHERE child = p_seq RETURNING parent)
  INSERT INTO outbox (action, parent) SELECT 3, parent FROM gone;
END $$
