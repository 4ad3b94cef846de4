-- Cancels, runs again, removes or promotes jobs by id, one after the other, each with what follows from it.
-- Parameters: action (cancel, retry, remove, promote), ids, states: jobs in another one by then are left alone
-- Returns: for each 7 done; the state that it is in where it was left alone; null where none is kept
-- Cost: O(jobs + dependents)
-- Called by: records.ts

CREATE OR REPLACE FUNCTION steer_jobs(p_action text, p_ids text[], p_states smallint[]) RETURNS smallint[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_answers smallint[] := '{}';
  v_answer smallint;
  v_id text;
BEGIN
  FOREACH v_id IN ARRAY p_ids LOOP
    v_answer := steer_one(p_action, v_id, p_states);
    v_answers := v_answers || v_answer;
    IF v_answer = 7 THEN PERFORM spread(100); END IF;
  END LOOP;
  RETURN v_answers;
END $$
