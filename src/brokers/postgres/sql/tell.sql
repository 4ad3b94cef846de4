-- Publishes what happened to jobs, as JSON in notifications of at most 7,900 bytes: `e[[id, queue, task, state, at, kind], …]`.
-- Parameters: ids, kinds, states (one for all where it has one), kind of event (s state, p progress)
-- Cost: O(jobs); callers ask `is_heard` first
-- Called by: whatever moves jobs

CREATE OR REPLACE FUNCTION tell(p_ids text[], p_kinds integer[], p_states smallint[], p_event text DEFAULT 's') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint := now_ms();
  v_body text := '';
  v_line text;
BEGIN
  FOR v_line IN
    SELECT json_build_array(e.id, q.name, t.name, coalesce(e.state, p_states[1]), v_now, p_event)::text
    FROM unnest(p_ids, p_kinds, p_states) WITH ORDINALITY AS e(id, kind, state, n)
    JOIN kinds k ON k.id = e.kind JOIN names q ON q.id = k.queue JOIN names t ON t.id = k.task
    ORDER BY e.n
  LOOP
    IF octet_length(v_body) + octet_length(v_line) > 7800 THEN
      PERFORM pg_notify(current_schema(), 'e[' || v_body || ']');
      v_body := '';
    END IF;
    v_body := v_body || CASE WHEN v_body = '' THEN '' ELSE ',' END || v_line;
  END LOOP;
  IF v_body <> '' THEN PERFORM pg_notify(current_schema(), 'e[' || v_body || ']'); END IF;
END $$
