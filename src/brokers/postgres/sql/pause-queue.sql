-- Pauses a queue, or has it go on.
-- Parameters: queue, whether it is paused
-- Cost: a few rows
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION pause_queue(p_queue text, p_paused boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_queue integer := name_id(p_queue);
BEGIN
  INSERT INTO queues (queue) VALUES (v_queue) ON CONFLICT (queue) DO NOTHING;
  IF p_paused THEN
    INSERT INTO paused (queue) VALUES (v_queue) ON CONFLICT (queue) DO NOTHING;
  ELSE
    DELETE FROM paused WHERE queue = v_queue;
    PERFORM wake(ARRAY[v_queue]);
  END IF;
END $$
