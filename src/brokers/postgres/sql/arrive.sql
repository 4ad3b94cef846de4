-- Says that jobs have come to lanes, so that the next claim gives these their turns. The queue's own lane is told only
-- where the queue has others.
-- Parameters: queue, lane, kind, suspect, partition
-- Cost: one row
-- Called by: enter_ready, promote_due, enqueue_plain

CREATE OR REPLACE FUNCTION arrive(p_queue integer, p_lane text, p_kind integer, p_suspect boolean, p_partition text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF p_lane = '' AND NOT EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue)
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE queue = p_queue AND NOT freed) THEN RETURN; END IF;
  INSERT INTO inbox (queue, task, suspect, freed, partition)
  VALUES (p_queue, CASE WHEN p_lane = '' THEN 0 ELSE limited_task(p_kind) END, p_suspect, false, coalesce(p_partition, ''));
END $$
