-- Gives back the slots of a claim. The lanes that wait for them are opened by the next claim by turns.
-- Cost: at most three rows
-- Called by: end_job, settle_one, reclaim_one

CREATE OR REPLACE FUNCTION free_slots(p_job live) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM slots WHERE seq = p_job.seq;
  INSERT INTO inbox (queue, task, suspect, freed, partition)
  SELECT p_job.queue, k.task, false, true, coalesce(p_job.partition, '') FROM kinds k WHERE k.id = p_job.kind;
  PERFORM wake(ARRAY[p_job.queue]);
END $$
