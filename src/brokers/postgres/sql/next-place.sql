-- A place at the end of the line. The lock, which keeps nobody from anything, shows from before the place is taken until
-- it is committed that this transaction may hold one: claims do not pass such places by (lows.ts).
-- Returns: the place, which is the number of a new job
-- Called by: enqueue_one, enter_ready, revive. Statements that write `live` themselves lock it before they begin

CREATE OR REPLACE FUNCTION next_place() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE live IN ROW EXCLUSIVE MODE;
  RETURN nextval('seqs');
END $$
