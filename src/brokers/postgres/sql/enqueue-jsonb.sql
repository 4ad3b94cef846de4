-- As enqueue, with an input of the type jsonb.
-- Called by: people, triggers

CREATE OR REPLACE FUNCTION enqueue(
  task text, input jsonb, queue text DEFAULT 'default', delay interval DEFAULT NULL,
  run_at timestamptz DEFAULT NULL, priority integer DEFAULT 5, id text DEFAULT NULL, unique_key text DEFAULT NULL,
  unique_during text DEFAULT 'unfinished', on_conflict text DEFAULT 'keep', partition text DEFAULT NULL,
  search jsonb DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL, expires_in interval DEFAULT NULL
) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = :schema, pg_temp AS $$
SELECT enqueue(task, input::text, queue, delay, run_at, priority, id, unique_key, unique_during, on_conflict, partition,
  search, tags, headers, expires_in)
$$
