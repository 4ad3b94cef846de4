-- The first layout. States are the index of job/states.ts (0 blocked, 1 scheduled, 2 ready, 3 active, 4 succeeded,
-- 5 failed, 6 cancelled), reasons the index of its list of reasons. Times are epoch milliseconds in broker time.
-- Bits of `flags`: 1 holds its unique key, 2 is being cancelled, 4 has dependents, 8 has dependencies, 16 has search
-- fields, 32 keeps its input in `payloads`, 64 has logs or steps, 128 is staged, 256 has a retention of its own.

-- What the file is: namespace, and the oldest schema that may still read it.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- One row. `config` grows with every change of rules or pauses, `listen_until` says until when somebody hears events.
CREATE TABLE counters (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL, token INTEGER NOT NULL, pos INTEGER NOT NULL, turn INTEGER NOT NULL,
  clock INTEGER NOT NULL, config INTEGER NOT NULL, listen_until INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0, 0, 0, 0, 0);

-- Names of queues, tasks and workers, so that rows and indexes hold small numbers. Only grows.
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- `settled` is the token of the last outcome times eight, plus its kind (outcomes.ts); 0 where there was none.
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6),
  flags INTEGER NOT NULL,
  task INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  partition TEXT,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
  lane INTEGER,
  pos INTEGER,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER,
  expires_at INTEGER,
  codec INTEGER NOT NULL,
  input BLOB,
  rare TEXT,
  workflow TEXT,
  waits INTEGER,
  lease_until INTEGER,
  worker INTEGER,
  token INTEGER NOT NULL DEFAULT 0,
  settled INTEGER NOT NULL DEFAULT 0,
  claimed_at INTEGER,
  started INTEGER NOT NULL DEFAULT 0,
  begun INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER,
  ended_at INTEGER,
  prune_at INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  suspect INTEGER NOT NULL DEFAULT 0,
  reason INTEGER,
  result_codec INTEGER,
  result BLOB,
  error TEXT,
  attempts TEXT,
  progress_codec INTEGER,
  progress BLOB,
  unknown_since INTEGER,
  CHECK ((state = 2) = (lane IS NOT NULL)),
  CHECK ((state = 3) = (lease_until IS NOT NULL)),
  CHECK ((state > 3) = (ended_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX jobs_id ON jobs (id);
CREATE INDEX jobs_ready ON jobs (lane, priority DESC, pos) WHERE state = 2;
CREATE INDEX jobs_due ON jobs (queue, due_at, seq) WHERE state = 1;
CREATE INDEX jobs_lease ON jobs (lease_until) WHERE state = 3;
CREATE INDEX jobs_expires ON jobs (expires_at) WHERE expires_at IS NOT NULL AND state < 3 AND begun = 0;
CREATE INDEX jobs_prune ON jobs (prune_at) WHERE prune_at IS NOT NULL;
CREATE INDEX jobs_state ON jobs (state, seq);
CREATE INDEX jobs_task ON jobs (task, seq);
CREATE INDEX jobs_queue ON jobs (queue, seq);
CREATE INDEX jobs_workflow ON jobs (workflow, seq) WHERE workflow IS NOT NULL;
CREATE INDEX jobs_staged ON jobs (workflow, seq) WHERE workflow IS NOT NULL AND (flags & 128) <> 0;

-- Inputs too large to be carried along when the row of their job changes.
CREATE TABLE payloads (job INTEGER PRIMARY KEY, input BLOB NOT NULL) STRICT;

-- Where ready jobs stand. `waits` names the scope that has no room for the lane; null while it takes turns.
CREATE TABLE lanes (
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL, suspect INTEGER NOT NULL, task INTEGER NOT NULL, partition TEXT NOT NULL,
  turn INTEGER NOT NULL,
  waits TEXT
) STRICT;
CREATE UNIQUE INDEX lanes_key ON lanes (queue, suspect, task, partition);
CREATE INDEX lanes_turn ON lanes (queue, suspect, turn) WHERE waits IS NULL;
CREATE INDEX lanes_waits ON lanes (waits, queue, suspect, turn) WHERE waits IS NOT NULL;

CREATE TABLE rules (
  kind TEXT NOT NULL CHECK (kind IN ('queue', 'task', 'partition')),
  name INTEGER NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('declared', 'set')),
  concurrency INTEGER, rate_count INTEGER, rate_per_ms INTEGER,
  PRIMARY KEY (kind, name, source)
) STRICT, WITHOUT ROWID;

-- What is used of a limited scope: active jobs, starts by bucket (JSON of job/rates.ts), when a full rate has room.
CREATE TABLE scopes (
  key TEXT PRIMARY KEY,
  queue INTEGER,
  active INTEGER NOT NULL, rate TEXT NOT NULL, open_at INTEGER, idle_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX scopes_open ON scopes (open_at) WHERE open_at IS NOT NULL;
CREATE INDEX scopes_queue_open ON scopes (queue, open_at) WHERE open_at IS NOT NULL;
CREATE INDEX scopes_idle ON scopes (idle_at) WHERE idle_at IS NOT NULL;

CREATE TABLE queues (
  queue INTEGER PRIMARY KEY,
  paused INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0, scheduled INTEGER NOT NULL DEFAULT 0, ready INTEGER NOT NULL DEFAULT 0,
  active INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE minutes (
  minute_at INTEGER NOT NULL, queue INTEGER NOT NULL, task INTEGER NOT NULL,
  enqueued INTEGER NOT NULL, succeeded INTEGER NOT NULL, retried INTEGER NOT NULL, failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL, crashed INTEGER NOT NULL, ran_ms INTEGER NOT NULL,
  PRIMARY KEY (minute_at, queue, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE unique_keys (key TEXT PRIMARY KEY, job INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX unique_keys_job ON unique_keys (job);

CREATE TABLE search (
  field TEXT NOT NULL, value TEXT NOT NULL, job INTEGER NOT NULL, PRIMARY KEY (field, value, job)
) STRICT, WITHOUT ROWID;

-- Who waits for whom. `open` until the outcome of `parent` has reached `child`; the row lives as long as the child
-- is unfinished and keeps the record of its parent.
CREATE TABLE edges (
  parent INTEGER NOT NULL, child INTEGER NOT NULL, needs_success INTEGER NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_open ON edges (parent, child) WHERE open = 1;
CREATE INDEX edges_child ON edges (child, parent);

-- What is still to be spread: the outcome of a job to its dependents (`parent`), or a flip to its `workflow`.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, parent INTEGER, success INTEGER, workflow TEXT, last_seq INTEGER
) STRICT;

-- Staged and not yet published; `staged_at` is when its last job came.
CREATE TABLE workflows (workflow TEXT PRIMARY KEY, staged_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX workflows_staged ON workflows (staged_at);

CREATE TABLE tombstones (
  id TEXT PRIMARY KEY, settled INTEGER NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_until ON tombstones (until);

CREATE TABLE logs (
  job INTEGER NOT NULL, seq INTEGER NOT NULL,
  at INTEGER NOT NULL, token INTEGER NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
  job INTEGER NOT NULL, name TEXT NOT NULL, ord INTEGER NOT NULL,
  at INTEGER NOT NULL, codec INTEGER NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (id TEXT PRIMARY KEY, info TEXT NOT NULL, seen_at INTEGER NOT NULL, until INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
  id TEXT PRIMARY KEY, rule TEXT NOT NULL, job TEXT NOT NULL, codec INTEGER NOT NULL, input BLOB NOT NULL,
  next_at INTEGER NOT NULL, last_at INTEGER, paused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Filled only while some process listens; `source` is the process, which hears its own events directly.
CREATE TABLE events (id INTEGER PRIMARY KEY, source TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
