-- Wakes who waits for work in queues: `w["queue", …]`. Equal notifications of a transaction are one.
-- Parameters: numbers of queues
-- Called by: whatever makes jobs ready outside `enqueue_jobs`, where the caller decides

CREATE OR REPLACE FUNCTION wake(p_queues integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_name text;
BEGIN
  FOR v_name IN SELECT DISTINCT n.name FROM unnest(p_queues) AS q(id) JOIN names n ON n.id = q.id LOOP
    PERFORM pg_notify(current_schema(), 'w' || v_name);
  END LOOP;
END $$
