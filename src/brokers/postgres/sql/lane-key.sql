-- The lane in which a job stands: '' for the queue's own, else what sets it apart.
-- Parameters: whether it is a suspect, its task where that has a limit, else 0, its partition or null
-- Called by: whatever makes jobs ready

CREATE OR REPLACE FUNCTION lane_key(p_suspect boolean, p_task integer, p_partition text) RETURNS text
LANGUAGE sql IMMUTABLE AS
$$SELECT CASE WHEN NOT p_suspect AND p_task = 0 AND p_partition IS NULL THEN ''
  ELSE (CASE WHEN p_suspect THEN '!' ELSE '' END) || p_task || '/' || coalesce(p_partition, '') END$$
