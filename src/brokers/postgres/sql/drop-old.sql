-- Forgets what has had its time: tombstones, minutes, workers, listeners, scopes of which nothing is used. What others
-- change at this moment is used again, perhaps, and left.
-- Parameters: broker time, the most rows of each
-- Cost: O(most)
-- Called by: maintain

CREATE OR REPLACE FUNCTION drop_old(p_now bigint, p_most integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM tombstones
  WHERE ctid = ANY (ARRAY(SELECT ctid FROM tombstones WHERE until <= p_now ORDER BY until LIMIT p_most FOR UPDATE SKIP LOCKED));
  DELETE FROM minutes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM minutes WHERE minute_at < p_now - 86400000 ORDER BY minute_at LIMIT p_most FOR UPDATE SKIP LOCKED));
  DELETE FROM scopes WHERE open_at IS NULL AND ctid = ANY (ARRAY(
    SELECT ctid FROM scopes WHERE idle_at <= p_now ORDER BY idle_at LIMIT p_most FOR UPDATE SKIP LOCKED));
  DELETE FROM workers WHERE until <= p_now;
  DELETE FROM listeners WHERE until <= p_now;
END $$
