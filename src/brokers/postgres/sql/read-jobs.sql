-- Jobs as they are shown. In the statement of whoever finds their numbers, so that both see the same moment.
-- Parameters: numbers of jobs
-- Returns: for each that is kept its place (from 1) and columns as wire/records.ts reads them, in order
-- Cost: O(jobs)
-- Called by: records.ts

CREATE OR REPLACE FUNCTION read_jobs(p_seqs bigint[]) RETURNS TABLE (
  n integer, seq bigint, id text, queue text, task text, state smallint, version smallint, priority smallint,
  created_at bigint, codec smallint, input bytea, flags integer, partition text, due_at bigint, expires_at bigint,
  rare text, started_at bigint, ended_at bigint, reason smallint, worker text, token bigint, lease_until bigint,
  started boolean, waits integer, failures integer, crashes integer, error text, attempts text[],
  progress_codec smallint, progress bytea, result_codec smallint, result bytea
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
BEGIN
  RETURN QUERY
  SELECT s.n::integer, j.seq, j.id, q.name, t.name, coalesce(l.state, e.state), j.version, j.priority,
    j.created_at, j.codec, j.input, coalesce(l.flags, e.flags), j.partition, coalesce(p.due_at, j.due_at), j.expires_at,
    j.rare, CASE WHEN l.started THEN l.claimed_at ELSE coalesce(e.started_at, p.started_at) END, e.ended_at, e.reason,
    w.name, coalesce(l.token, e.token), l.lease_until, l.started, l.waits, p.failures, p.crashes, p.error, p.attempts,
    p.progress_codec, p.progress, e.result_codec, e.result
  FROM unnest(p_seqs) WITH ORDINALITY AS s(seq, n)
  JOIN jobs j ON j.seq = s.seq
  JOIN kinds k ON k.id = j.kind
  JOIN names q ON q.id = k.queue
  JOIN names t ON t.id = k.task
  LEFT JOIN live l ON l.state IN (0, 1, 2, 3) AND l.seq = j.seq
  LEFT JOIN ended e ON e.state IN (4, 5, 6) AND e.seq = j.seq
  LEFT JOIN past p ON p.seq = j.seq
  LEFT JOIN names w ON w.id = coalesce(l.worker, e.worker)
  WHERE coalesce(l.state, e.state) IS NOT NULL
  ORDER BY s.n;
END $$
