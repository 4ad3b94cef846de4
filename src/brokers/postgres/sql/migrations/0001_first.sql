-- The tables of a namespace. A job is written once, to `jobs`; where it stands is one small row in `live` until it has
-- ended, then one in `ended`. What few jobs have (a past, keys, ties, notes) stands in tables of its own, so that the
-- others pay nothing for it. Times are milliseconds since 1970 in broker time.

CREATE TABLE meta (
  key text PRIMARY KEY,
  value text NOT NULL
);

-- Which start of the server the tokens have jumped for. Not in the log: a crash empties it, also one of a single process,
-- and so does taking over from another server.
CREATE UNLOGGED TABLE started (
  at text PRIMARY KEY
);

-- Names of queues, tasks and workers, as numbers.
CREATE TABLE names (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Whoever may enqueue may call the functions with anything: what would break the steps of others is refused here.
  name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) <= 2000)
);

-- The pairs of queue and task that jobs have had.
CREATE TABLE kinds (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  task integer NOT NULL,
  UNIQUE (queue, task)
);

-- Numbers of jobs and places in line; tokens of claims; turns of lanes.
CREATE SEQUENCE seqs;
CREATE SEQUENCE tokens;
CREATE SEQUENCE turns;

CREATE TABLE jobs (
  seq bigint PRIMARY KEY,
  created_at bigint NOT NULL,
  due_at bigint,
  expires_at bigint,
  keep_succeeded bigint,
  keep_failed bigint,
  keep_cancelled bigint,
  kind integer NOT NULL,
  flags integer NOT NULL,
  max_crashes integer,
  priority smallint NOT NULL,
  version smallint NOT NULL,
  codec smallint NOT NULL,
  id text COLLATE "C" NOT NULL,
  input bytea NOT NULL,
  partition text COLLATE "C",
  unique_key text COLLATE "C",
  workflow text COLLATE "C",
  after text[],
  tags text[],
  rare text,
  CHECK (octet_length(id) <= 2000 AND priority BETWEEN 0 AND 9 AND expires_at BETWEEN 0 AND 9007199254740991
    AND keep_succeeded BETWEEN 0 AND 9007199254740991 AND keep_failed BETWEEN 0 AND 9007199254740991
    AND keep_cancelled BETWEEN 0 AND 9007199254740991)
);
CREATE UNIQUE INDEX jobs_id ON jobs (id);
CREATE INDEX jobs_kind ON jobs (kind, seq);
CREATE INDEX jobs_workflow ON jobs (workflow, seq) WHERE workflow IS NOT NULL;

-- State: 0 blocked, 1 scheduled, 2 ready, 3 active. `pos` is the place in the lane; below zero it was given back there.
CREATE TABLE live (
  seq bigint NOT NULL,
  pos bigint NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  lease_until bigint,
  claimed_at bigint,
  due_at bigint,
  expires_at bigint,
  queue integer NOT NULL,
  kind integer NOT NULL,
  worker integer,
  flags integer NOT NULL,
  waits integer,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 3),
  priority smallint NOT NULL,
  started boolean NOT NULL DEFAULT false,
  lane text COLLATE "C" NOT NULL DEFAULT '',
  partition text COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
CREATE UNIQUE INDEX live_state ON live (state, seq);
CREATE INDEX live_ready ON live (queue, lane, priority DESC, pos) WHERE state = 2;
CREATE INDEX live_due ON live (queue, due_at, seq) WHERE state = 1;
CREATE INDEX live_expires ON live (queue, expires_at) WHERE expires_at IS NOT NULL AND state < 3 AND flags & 4096 = 0;

-- The leases of one claim: when the first of them may end, and whose they are.
CREATE TABLE leases (
  token bigint PRIMARY KEY,
  until bigint NOT NULL,
  seqs bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX leases_until ON leases (until);

-- State: 4 succeeded, 5 failed, 6 cancelled. `outcome` is the kind of the outcome recorded with `token`.
-- `prune_at` is null while unfinished jobs need the record.
CREATE TABLE ended (
  seq bigint NOT NULL,
  ended_at bigint NOT NULL,
  started_at bigint,
  token bigint NOT NULL,
  prune_at bigint,
  kind integer NOT NULL,
  worker integer,
  flags integer NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 4 AND 6),
  reason smallint,
  outcome smallint,
  result_codec smallint,
  result bytea
);
CREATE UNIQUE INDEX ended_state ON ended (state, seq);
CREATE INDEX ended_prune ON ended (prune_at) WHERE prune_at IS NOT NULL;

-- What has happened to a job whose first attempt did not simply succeed.
CREATE TABLE past (
  seq bigint PRIMARY KEY,
  failures integer NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  settled_token bigint NOT NULL DEFAULT 0,
  settled_outcome smallint,
  due_at bigint,
  started_at bigint,
  unknown_since bigint,
  fingerprint text COLLATE "C",
  error text,
  attempts text[],
  progress_codec smallint,
  progress bytea
);
CREATE INDEX past_fingerprint ON past (fingerprint, seq) WHERE fingerprint IS NOT NULL;

CREATE TABLE unique_keys (
  key text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL
);

CREATE TABLE search (
  field text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (field, value, seq)
);
CREATE INDEX search_seq ON search (seq);

-- `open` while the child waits for the parent; the row stays until the child has ended, since it needs the record.
CREATE TABLE edges (
  parent bigint NOT NULL,
  child bigint NOT NULL,
  needs_success boolean NOT NULL,
  open boolean NOT NULL,
  PRIMARY KEY (parent, child)
);
CREATE INDEX edges_child ON edges (child);
CREATE INDEX edges_open ON edges (parent, child) WHERE open;

-- What is still to be done of what followed from a step. Action: 0 tie parent and child, 1 spread the end of parent,
-- 2 publish a workflow up to child, 3 let go of parent.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent bigint,
  child bigint,
  action smallint NOT NULL,
  success boolean,
  workflow text COLLATE "C"
);

CREATE TABLE workflows (
  workflow text COLLATE "C" PRIMARY KEY,
  staged_at bigint NOT NULL
);
CREATE INDEX workflows_staged ON workflows (staged_at);

CREATE TABLE tombstones (
  id text COLLATE "C" PRIMARY KEY,
  token bigint NOT NULL,
  until bigint NOT NULL,
  outcome smallint NOT NULL
);
CREATE INDEX tombstones_until ON tombstones (until);

CREATE TABLE logs (
  seq bigint NOT NULL,
  n integer NOT NULL,
  at bigint NOT NULL,
  token bigint NOT NULL,
  level text NOT NULL,
  text bytea NOT NULL,
  PRIMARY KEY (seq, n)
);

CREATE TABLE steps (
  seq bigint NOT NULL,
  n integer NOT NULL,
  at bigint NOT NULL,
  codec smallint NOT NULL,
  name bytea NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (seq, name)
);

-- ── limits and turns ───────────────────────────────────────────────────────────────────────────────────────────

-- Scope: q queue, t task, p each partition of a queue. Source: 0 declared, 1 set, which wins.
CREATE TABLE rules (
  scope "char" NOT NULL,
  name integer NOT NULL,
  source smallint NOT NULL,
  concurrency bigint,
  rate_count bigint,
  rate_ms bigint,
  PRIMARY KEY (scope, name, source)
);

CREATE TABLE paused (
  queue integer PRIMARY KEY
);

-- Queues that were paused or limited once, and are known from then on also without jobs.
CREATE TABLE queues (
  queue integer PRIMARY KEY
);

-- Lanes of queues where taking turns matters. `waits` is the scope for whose room a closed lane waits.
CREATE TABLE lanes (
  lane text COLLATE "C" NOT NULL,
  queue integer NOT NULL,
  task integer NOT NULL,
  suspect boolean NOT NULL,
  partition text COLLATE "C" NOT NULL,
  turn bigint NOT NULL,
  waits text COLLATE "C",
  PRIMARY KEY (queue, lane)
);
CREATE INDEX lanes_open ON lanes (queue, suspect, turn) WHERE waits IS NULL;
CREATE INDEX lanes_waiting ON lanes (waits, queue, suspect, turn) WHERE waits IS NOT NULL;

-- What the next claim by turns has to know: a job has come to a lane, or a slot of a scope is free.
CREATE TABLE inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  task integer NOT NULL,
  suspect boolean NOT NULL,
  freed boolean NOT NULL,
  partition text COLLATE "C" NOT NULL
);
CREATE INDEX inbox_queue ON inbox (queue);

-- A slot counts while its claim is live.
CREATE TABLE slots (
  scope text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (scope, seq)
);
CREATE INDEX slots_seq ON slots (seq);

-- Starts of a scope by bucket of time, for its rate; when its lanes are to be looked at; when it can be forgotten.
CREATE TABLE scopes (
  scope text COLLATE "C" PRIMARY KEY,
  queue integer,
  rate_ms bigint NOT NULL,
  open_at bigint,
  idle_at bigint NOT NULL,
  buckets bigint[] NOT NULL,
  starts bigint[] NOT NULL
);
CREATE INDEX scopes_open ON scopes (open_at) WHERE open_at IS NOT NULL;
CREATE INDEX scopes_idle ON scopes (idle_at);

-- ── counts, workers, schedules ─────────────────────────────────────────────────────────────────────────────────

-- How counts change: each step adds a row, since nobody may wait for anybody else's. Upkeep adds them up.
CREATE TABLE tally (
  kind integer NOT NULL,
  minute_at bigint NOT NULL,
  blocked integer NOT NULL DEFAULT 0,
  scheduled integer NOT NULL DEFAULT 0,
  ready integer NOT NULL DEFAULT 0,
  active integer NOT NULL DEFAULT 0,
  succeeded integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  cancelled integer NOT NULL DEFAULT 0,
  did_enqueue integer NOT NULL DEFAULT 0,
  did_succeed integer NOT NULL DEFAULT 0,
  did_retry integer NOT NULL DEFAULT 0,
  did_fail integer NOT NULL DEFAULT 0,
  did_cancel integer NOT NULL DEFAULT 0,
  did_crash integer NOT NULL DEFAULT 0,
  ran_ms bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE totals (
  kind integer PRIMARY KEY,
  blocked bigint NOT NULL,
  scheduled bigint NOT NULL,
  ready bigint NOT NULL,
  active bigint NOT NULL,
  succeeded bigint NOT NULL,
  failed bigint NOT NULL,
  cancelled bigint NOT NULL
);

CREATE TABLE minutes (
  minute_at bigint NOT NULL,
  kind integer NOT NULL,
  did_enqueue bigint NOT NULL,
  did_succeed bigint NOT NULL,
  did_retry bigint NOT NULL,
  did_fail bigint NOT NULL,
  did_cancel bigint NOT NULL,
  did_crash bigint NOT NULL,
  ran_ms bigint NOT NULL,
  PRIMARY KEY (minute_at, kind)
);

CREATE TABLE workers (
  id text COLLATE "C" PRIMARY KEY,
  body text NOT NULL,
  seen_at bigint NOT NULL,
  until bigint NOT NULL
);

CREATE TABLE schedules (
  id text COLLATE "C" PRIMARY KEY,
  rule text NOT NULL,
  job bytea NOT NULL,
  next_at bigint NOT NULL,
  last_at bigint,
  paused boolean NOT NULL
);

-- Who listens to events, and until when.
CREATE TABLE listeners (
  id text COLLATE "C" PRIMARY KEY,
  until bigint NOT NULL
);
