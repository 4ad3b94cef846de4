-- Writes what has happened to a job. The caller sets the flag 512 of the job's row.
-- Cost: one row
-- Called by: whatever adds to it

CREATE OR REPLACE FUNCTION save_past(p_past past) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE past SET
    failures = p_past.failures, crashes = p_past.crashes, settled_token = p_past.settled_token,
    settled_outcome = p_past.settled_outcome, due_at = p_past.due_at, started_at = p_past.started_at,
    unknown_since = p_past.unknown_since, fingerprint = p_past.fingerprint, error = p_past.error,
    attempts = p_past.attempts, progress_codec = p_past.progress_codec, progress = p_past.progress
  WHERE seq = p_past.seq;
  IF NOT FOUND THEN INSERT INTO past SELECT p_past.*; END IF;
END $$
