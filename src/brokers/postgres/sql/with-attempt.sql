-- Adds an attempt to those of a job, of which the last ten are kept. Each is JSON (job/record.ts).
-- Parameters: the attempts, worker, token, start and end (ms), kind of outcome (7 crashed), error (JSON) or null
-- Called by: settle_one, reclaim_one

CREATE OR REPLACE FUNCTION with_attempt(
  p_attempts text[], p_worker integer, p_token bigint, p_started_at bigint, p_ended_at bigint, p_outcome integer, p_error text
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  v_attempts text[] := p_attempts || format(
    '{"worker":%s,"token":%s,"startedAt":%s,"endedAt":%s,"outcome":"%s"%s}',
    to_json((SELECT name FROM names WHERE id = p_worker)), p_token, p_started_at, p_ended_at,
    ('{succeeded,retry,failed,released,snoozed,unknown,cancelled,crashed}'::text[])[p_outcome + 1],
    coalesce(',"error":' || p_error, ''));
BEGIN
  RETURN v_attempts[greatest(1, cardinality(v_attempts) - 9):];
END $$
