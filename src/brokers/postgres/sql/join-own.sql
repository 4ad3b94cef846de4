-- Has the queue's own lane take turns where it holds jobs: before lanes that came later.
-- Parameters: queue
-- Cost: a few rows
-- Called by: read_inbox, claim_by_turns; under the lock of the lanes

CREATE OR REPLACE FUNCTION join_own(p_queue integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue AND lane = '')
    AND EXISTS (SELECT 1 FROM live WHERE state = 2 AND queue = p_queue AND lane = '') THEN
    PERFORM join_turns(p_queue, 0, false, '');
  END IF;
END $$
