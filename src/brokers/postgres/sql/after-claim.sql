-- What the first claim of some jobs brings: keys that were held only while waiting are free.
-- Parameters: numbers of the jobs
-- Cost: O(jobs)
-- Called by: reserve_jobs, where a job has flags

CREATE OR REPLACE FUNCTION after_claim(p_seqs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_job record;
BEGIN
  FOR v_job IN
    SELECT l.seq, l.flags, j.unique_key FROM unnest(p_seqs) AS s(seq) JOIN live l ON l.state = 3 AND l.seq = s.seq
    JOIN jobs j ON j.seq = s.seq WHERE l.flags & 33 = 33
  LOOP
    DELETE FROM unique_keys WHERE key = v_job.unique_key AND seq = v_job.seq;
    UPDATE live SET flags = v_job.flags & ~33 WHERE state = 3 AND seq = v_job.seq;
  END LOOP;
END $$
