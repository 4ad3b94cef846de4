-- Makes a lane, at the end of the turns; one that is there stays as it is.
-- Parameters: queue, task where it is limited, else 0, suspect, partition or ''
-- Cost: one row
-- Called by: read_inbox, join_own, claim_by_turns

CREATE OR REPLACE FUNCTION join_turns(p_queue integer, p_task integer, p_suspect boolean, p_partition text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO lanes (lane, queue, task, suspect, partition, turn)
  VALUES (lane_key(p_suspect, p_task, nullif(p_partition, '')), p_queue, p_task, p_suspect, p_partition, nextval('turns'))
  ON CONFLICT (queue, lane) DO NOTHING;
END $$
