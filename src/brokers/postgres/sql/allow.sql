-- Gives a role the rights on this schema that its part needs, and takes from it all others: `producer` may enqueue and
-- nothing else; `caller` may also see what became of jobs; `handler` may enqueue and complete jobs inside its own
-- transactions; `viewer` sees jobs without payloads, queues, workers and counts; `worker` may call all that the library calls. Run by the owner; again after a migration, which may bring new functions.
-- Parameters: the part, the role
-- Returns: the names of the functions that the role may call now
-- Called by: people

CREATE OR REPLACE FUNCTION allow(p_part text, p_role text) RETURNS SETOF text LANGUAGE plpgsql
SET search_path = :schema, pg_temp AS $$
DECLARE
  v_produce CONSTANT text[] := '{enqueue,enqueue_jobs,enqueue_within,register_kinds}';
  v_names CONSTANT text[] := CASE p_part
    WHEN 'producer' THEN v_produce
    WHEN 'caller' THEN v_produce || '{seqs_of,read_jobs,listen_until}'::text[]
    WHEN 'handler' THEN '{enqueue,enqueue_within,settle_within}'
    WHEN 'viewer' THEN '{seqs_of,find_jobs,read_jobs_bare,read_queues,read_rules,read_workers,read_minutes,read_health,listen_until}'
  END;
  v_function record;
BEGIN
  IF v_names IS NULL AND p_part IS DISTINCT FROM 'worker' THEN
    RAISE EXCEPTION '% is no part', coalesce(quote_literal(p_part), 'null')
      USING ERRCODE = '22023', HINT = 'It is producer, caller, handler, viewer or worker.';
  END IF;
  EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', current_schema(), p_role);
  EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), p_role);
  EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM %I', current_schema(), p_role);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), p_role);
  EXECUTE format('GRANT SELECT ON meta TO %I', p_role);
  FOR v_function IN
    SELECT p.oid::regprocedure AS signature, p.proname AS name FROM pg_proc p
    -- Those that run with the rights of the owner are what is called from outside.
    WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef AND (v_names IS NULL OR p.proname = ANY (v_names))
    ORDER BY p.proname
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_function.signature, p_role);
    RETURN NEXT v_function.name;
  END LOOP;
END $$
