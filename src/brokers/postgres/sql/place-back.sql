-- The place in a lane of a job that keeps the one it had. In the queue's own lane it is below zero: who claims there always
-- looks below, and above only from where the last claim found the first job.
-- Parameters: the place it had, the lane
-- Called by: enter_ready, claim_by_turns

CREATE OR REPLACE FUNCTION place_back(p_pos bigint, p_lane text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$SELECT CASE WHEN (p_lane = '') = (p_pos < 0) THEN p_pos
  WHEN p_lane = '' THEN p_pos - 4611686018427387904 ELSE p_pos + 4611686018427387904 END$$
