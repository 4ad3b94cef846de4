-- How the store is: for people.
-- Returns: broker time; version of the schema; rows of jobs and dead rows, as the server estimates them; bytes; age of the
--   oldest transaction that this user may see (s)
-- Cost: O(tables)
-- Called by: health.ts

CREATE OR REPLACE FUNCTION read_health(
  OUT now bigint, OUT version bigint, OUT jobs bigint, OUT dead bigint, OUT bytes bigint, OUT oldest bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
BEGIN
  now := now_ms();
  SELECT value::bigint INTO version FROM meta WHERE key = 'version';
  SELECT sum(n_live_tup) FILTER (WHERE relname = 'jobs'), sum(n_dead_tup) INTO jobs, dead
  FROM pg_stat_user_tables WHERE schemaname = current_schema();
  SELECT sum(pg_total_relation_size(c.oid)) INTO bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = current_schema() AND c.relkind = 'r';
  SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::bigint INTO oldest
  FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL;
END $$
