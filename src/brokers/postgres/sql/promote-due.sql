-- Makes scheduled jobs of a queue ready whose time has come, the earliest first.
-- Parameters: queue, broker time, the most jobs
-- Returns: how many
-- Cost: O(most)
-- Called by: reserve_jobs, maintain

CREATE OR REPLACE FUNCTION promote_due(p_queue integer, p_now bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_seqs bigint[];
  v_lanes boolean;
BEGIN
  SELECT array_agg(d.seq ORDER BY d.due_at, d.seq) INTO v_seqs FROM (
    SELECT seq, due_at FROM live WHERE state = 1 AND queue = p_queue AND due_at <= p_now
    ORDER BY due_at, seq LIMIT p_most FOR UPDATE SKIP LOCKED
  ) d;
  IF v_seqs IS NULL THEN RETURN 0; END IF;
  UPDATE live l SET state = 2, pos = d.pos,
    lane = lane_key((l.flags & 2048) <> 0, limited_task(l.kind), l.partition)
  FROM (SELECT s.seq, nextval('seqs') AS pos FROM unnest(v_seqs) AS s(seq)) d
  WHERE l.state = 1 AND l.seq = d.seq;
  v_lanes := EXISTS (SELECT 1 FROM lanes WHERE queue = p_queue) OR EXISTS (SELECT 1 FROM inbox WHERE queue = p_queue)
    OR EXISTS (SELECT 1 FROM live WHERE state = 2 AND seq = ANY (v_seqs) AND lane <> '');
  IF v_lanes THEN
    PERFORM arrive(p_queue, a.lane, a.kind, a.suspect, a.partition) FROM (
      SELECT l.lane, min(l.kind) AS kind, (l.flags & 2048) <> 0 AS suspect, l.partition FROM live l
      WHERE l.state = 2 AND l.seq = ANY (v_seqs) GROUP BY 1, 3, 4 ORDER BY min(l.pos)
    ) a;
  END IF;
  INSERT INTO tally (kind, minute_at, scheduled, ready)
  SELECT kind, p_now / 60000 * 60000, -count(*), count(*) FROM live WHERE state = 2 AND seq = ANY (v_seqs) GROUP BY kind;
  IF is_heard() THEN
    PERFORM tell(array_agg(j.id ORDER BY s.n), array_agg(j.kind ORDER BY s.n), ARRAY[2::smallint])
    FROM unnest(v_seqs) WITH ORDINALITY AS s(seq, n) JOIN jobs j ON j.seq = s.seq;
  END IF;
  RETURN cardinality(v_seqs);
END $$
