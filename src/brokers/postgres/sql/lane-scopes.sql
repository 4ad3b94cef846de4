-- The limited scopes that bound a lane, besides its queue.
-- Parameters: the lane
-- Returns: keys, the task's first
-- Cost: a few rows
-- Called by: the functions of turns

CREATE OR REPLACE FUNCTION lane_scopes(p_lane lanes) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  v_keys text[] := '{}';
BEGIN
  IF p_lane.task <> 0 AND EXISTS (SELECT 1 FROM rules WHERE scope = 't' AND name = p_lane.task) THEN
    v_keys := v_keys || ('t' || p_lane.task);
  END IF;
  IF p_lane.partition <> '' AND EXISTS (SELECT 1 FROM rules WHERE scope = 'p' AND name = p_lane.queue) THEN
    v_keys := v_keys || ('p' || p_lane.queue || '/' || p_lane.partition);
  END IF;
  RETURN v_keys;
END $$
