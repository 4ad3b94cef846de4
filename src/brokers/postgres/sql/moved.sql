-- Counts that a job goes from its state to another, and tells who listens. Called before its row changes.
-- Cost: one row
-- Called by: the moves of single jobs

CREATE OR REPLACE FUNCTION moved(p_job live, p_to integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM count_move(p_job.kind, p_job.state, p_to);
  IF is_heard() THEN
    PERFORM tell(ARRAY[(SELECT id FROM jobs WHERE seq = p_job.seq)], ARRAY[p_job.kind], ARRAY[p_to::smallint]);
  END IF;
END $$
