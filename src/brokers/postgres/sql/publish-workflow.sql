-- Makes the staged jobs of a workflow visible: one flip; what is beyond a hundred is spread by upkeep.
-- Parameters: workflow
-- Returns: false where none are staged
-- Cost: O(100)
-- Called by: registry.ts

CREATE OR REPLACE FUNCTION publish_workflow(p_workflow text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = :schema, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
  v_last bigint;
  v_count integer;
BEGIN
  DELETE FROM workflows WHERE workflow = p_workflow;
  IF NOT FOUND THEN RETURN false; END IF;
  v_last := pg_sequence_last_value('seqs'::regclass);
  v_count := publish_some(p_workflow, v_last, 100);
  IF v_count = 100 THEN
    INSERT INTO outbox (action, workflow, child) VALUES (2, p_workflow, v_last);
  END IF;
  PERFORM spread(100);
  RETURN v_count > 0;
END $$
