-- As read_jobs, for whoever may see what becomes of jobs but none of their payloads: without inputs, results and progress.
-- Parameters, returns: as read_jobs
-- Cost: O(jobs)
-- Called by: records.ts, where read_jobs is forbidden

CREATE OR REPLACE FUNCTION read_jobs_bare(p_seqs bigint[]) RETURNS TABLE (
  n integer, seq bigint, id text, queue text, task text, state smallint, version smallint, priority smallint,
  created_at bigint, codec smallint, input bytea, flags integer, partition text, due_at bigint, expires_at bigint,
  rare text, started_at bigint, ended_at bigint, reason smallint, worker text, token bigint, lease_until bigint,
  started boolean, waits integer, failures integer, crashes integer, error text, attempts text[],
  progress_codec smallint, progress bytea, result_codec smallint, result bytea
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
SELECT r.n, r.seq, r.id, r.queue, r.task, r.state, r.version, r.priority, r.created_at, 0::smallint, ''::bytea, r.flags,
  r.partition, r.due_at, r.expires_at, r.rare, r.started_at, r.ended_at, r.reason, r.worker, r.token, r.lease_until,
  r.started, r.waits, r.failures, r.crashes, r.error, r.attempts, NULL::smallint, NULL::bytea, NULL::smallint, NULL::bytea
FROM read_jobs(p_seqs) r ORDER BY r.n
$$
