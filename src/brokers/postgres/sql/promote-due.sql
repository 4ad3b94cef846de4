-- Makes scheduled jobs of a queue ready whose time has come, the earliest first.
-- Parameters: queue, broker time, the most jobs
-- Returns: how many
-- Cost: O(most)
-- Called by: reserve_jobs, maintain

CREATE OR REPLACE FUNCTION promote_due(p_queue integer, p_now bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_seqs bigint[];
  v_rows tid[];
  v_moved live[];
  v_lanes boolean;
BEGIN
  -- They are locked, so they stay where they are: found again by their places, whatever the planner thinks of a table
  -- that has just been filled. A join keeps no order, so the places in the line are counted out before it. What becomes
  -- of them is told by the change itself, and not looked up.
  SELECT array_agg(d.seq ORDER BY d.due_at, d.seq), array_agg(d.ctid ORDER BY d.due_at, d.seq) INTO v_seqs, v_rows FROM (
    SELECT seq, ctid, due_at FROM live WHERE state = 1 AND queue = p_queue AND due_at <= p_now
    ORDER BY due_at, seq LIMIT p_most FOR UPDATE SKIP LOCKED
  ) d;
  IF v_seqs IS NULL THEN RETURN 0; END IF;
  WITH moved AS (
    UPDATE live l SET state = 2, pos = d.pos,
      lane = lane_key((l.flags & 2048) <> 0, limited_task(l.kind), l.partition)
    FROM unnest(v_rows, ARRAY(SELECT nextval('seqs') FROM generate_series(1, cardinality(v_rows)))) AS d(row, pos)
    WHERE l.ctid = d.row
    RETURNING l
  ), counted AS (
    INSERT INTO tally (kind, minute_at, scheduled, ready)
    SELECT (m.l).kind, p_now / 60000 * 60000, -count(*), count(*) FROM moved m GROUP BY 1
  )
  SELECT array_agg(m.l) INTO v_moved FROM moved m;
  v_lanes := EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue) OR EXISTS (SELECT 1 FROM inbox WHERE queue = p_queue)
    OR EXISTS (SELECT 1 FROM unnest(v_moved) AS m WHERE m.lane <> '');
  IF v_lanes THEN
    PERFORM arrive(p_queue, a.lane, a.kind, a.suspect, a.partition) FROM (
      SELECT m.lane, min(m.kind) AS kind, (m.flags & 2048) <> 0 AS suspect, m.partition FROM unnest(v_moved) AS m
      GROUP BY 1, 3, 4 ORDER BY min(m.pos)
    ) a;
  END IF;
  IF is_heard() THEN
    PERFORM tell(array_agg(j.id ORDER BY s.n), array_agg(j.kind ORDER BY s.n), ARRAY[2::smallint])
    FROM unnest(v_seqs) WITH ORDINALITY AS s(seq, n) JOIN jobs j ON j.seq = s.seq;
  END IF;
  RETURN cardinality(v_seqs);
END $$
