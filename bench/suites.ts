// What is measured, on which systems, and what it is measured against.
import type { SystemName } from './systems/names.ts'

/** What the project sets itself; a figure that falls short is reported, never asserted. */
export type Target = (
  | { readonly atLeast: number }
  | { readonly atMost: number }
  | { readonly below: number }
) & {
  /** Of the ratio of our figure to this system's, taken within each round; else of our figure itself. */
  readonly over?: SystemName
}

export interface Figure {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly targets: readonly Target[]
  /** The script in `figures/` and its arguments. It prints one line of JSON: `{ [name]: number }`. */
  readonly script: string
  readonly args: readonly string[]
  /** Which of the script's values this is. */
  readonly value: string
  /** In the order of the table; ours comes first. */
  readonly systems: readonly SystemName[]
  /** Arguments of one system in place of those above. */
  readonly argsOf: { readonly [system in SystemName]?: readonly string[] }
  /** Fewer rounds for what takes long; of one system, or of all. */
  readonly roundsOf: { readonly [system in SystemName]?: number }
}

export interface Suite {
  readonly figures: readonly Figure[]
  /** A private server for the run, in place of a file. */
  readonly server: 'redis' | 'postgres' | undefined
  /** What of `bench/package.json` takes part, and needs the current Node. */
  readonly peers: readonly string[]
  /** The client that Offstage uses there, of the project's own `package.json`. */
  readonly client: string | undefined
  /** Arguments of all figures. */
  readonly args: readonly string[]
  /** A sentence for the record on what holds for all figures. */
  readonly conditions: string
}

interface Measured {
  readonly script: string
  readonly args: readonly string[]
  readonly systems?: readonly SystemName[]
  readonly argsOf?: Figure['argsOf']
  readonly roundsOf?: Figure['roundsOf']
}

const drainSqlite = { script: 'drain', args: ['jobs=100000', 'waiting=100000'] }
const latencySame = { script: 'latency', args: ['where=same', 'samples=300'] }
const latencyOther = { script: 'latency', args: ['where=other', 'samples=300'] }
const backlog = { script: 'backlog', args: ['jobs=50000', 'rest=10000', 'waiting=1000000'] }

const sqlite: readonly Figure[] = [
  figure('enqueue-many', 'enqueueMany, one call of 100,000', 'jobs/s', [{ atLeast: 100_000 }], {
    script: 'enqueue',
    args: ['mode=bulk', 'jobs=200000', 'call=100000'],
  }),
  figure('enqueue-bulk', 'enqueueMany, 1,000 a call, one after the other', 'jobs/s', [], {
    script: 'enqueue',
    args: ['mode=bulk', 'jobs=200000', 'call=1000'],
  }),
  figure('enqueue', 'enqueue, 64 in flight', 'jobs/s', [{ atLeast: 30_000 }], {
    script: 'enqueue',
    args: ['mode=single', 'jobs=60000'],
  }),
  figure('drain', 'drain, no-op, concurrency 100', 'jobs/s', [{ atLeast: 50_000 }], drainSqlite),
  figure(
    'loop-delay',
    'event-loop delay p99 during that drain',
    'ms',
    [{ below: 20 }],
    drainSqlite,
    'loopDelayP99Ms',
  ),
  figure(
    'latency',
    'enqueue to start, idle worker, same process, p50',
    'ms',
    [{ below: 3 }],
    latencySame,
    'p50',
  ),
  figure('latency-p99', 'the same, p99', 'ms', [], latencySame, 'p99'),
  figure(
    'latency-other',
    'enqueue to start, idle worker, other process, p50',
    'ms',
    [{ below: 10 }],
    latencyOther,
    'p50',
  ),
  figure('latency-other-p99', 'the same, p99', 'ms', [], latencyOther, 'p99'),
  figure(
    'idle',
    'CPU of an idle worker over 60 s',
    '% of a core',
    [{ below: 1 }],
    { script: 'idle', args: ['seconds=60'] },
    'percent',
  ),
  figure(
    'backlog',
    'drain with 1,000,000 waiting over that with 10,000',
    'ratio',
    [{ atLeast: 0.8 }],
    backlog,
    'ratio',
  ),
  figure('import', "import 'offstage'", 'ms', [{ below: 40 }], { script: 'import', args: [] }, 'ms'),
]

const queues = ['offstage', 'bullmq', 'bee'] as const
const withBare = [...queues, 'bare'] as const
const drain = {
  script: 'drain',
  args: ['jobs=50000', 'waiting=50000', 'concurrency=100'],
  systems: queues,
}
const same = { ...latencySame, args: ['where=same', 'samples=220'], systems: queues }
const other = { ...latencyOther, args: ['where=other', 'samples=220'], systems: queues }
const idle = {
  script: 'idle',
  args: ['seconds=30'],
  systems: queues,
  roundsOf: { offstage: 1, bullmq: 1, bee: 1 },
}

const redis: readonly Figure[] = [
  figure(
    'enqueue',
    'enqueue one at a time, 64 in flight (ours: input checked)',
    'jobs/s',
    [
      { over: 'bullmq', atLeast: 3 },
      { over: 'bare', atLeast: 1 },
    ],
    { script: 'enqueue', args: ['mode=single', 'jobs=30000'], systems: withBare },
  ),
  figure('bulk', 'bulk, 1,000 a call', 'jobs/s', [{ over: 'bullmq', atLeast: 7 }], {
    script: 'enqueue',
    args: ['mode=bulk', 'jobs=50000', 'call=1000'],
    systems: withBare,
  }),
  figure(
    'drain',
    'drain, no-op, concurrency 100 (ours: states kept)',
    'jobs/s',
    [{ over: 'bullmq', atLeast: 5 }],
    drain,
  ),
  figure('loop-delay', 'event-loop delay p99 during that drain', 'ms', [], drain, 'loopDelayP99Ms'),
  figure('drain-1', 'the same drain, concurrency 1', 'jobs/s', [{ over: 'bullmq', atLeast: 3 }], {
    script: 'drain',
    args: ['jobs=20000', 'waiting=20000', 'concurrency=1'],
    systems: queues,
  }),
  figure(
    'latency',
    'enqueue to start, idle worker, same process, p50',
    'ms',
    [{ over: 'bee', atMost: 1 }],
    same,
    'p50',
  ),
  figure('latency-p99', 'the same, p99', 'ms', [], same, 'p99'),
  figure(
    'latency-other',
    'enqueue to start, idle worker, other process, p50',
    'ms',
    [{ over: 'bee', atMost: 1 }],
    other,
    'p50',
  ),
  figure('latency-other-p99', 'the same, p99', 'ms', [], other, 'p99'),
  figure(
    'memory',
    'a waiting job in Redis, payload of 88 bytes',
    'bytes',
    [{ atMost: 330 }],
    { script: 'memory', args: ['jobs=100000'], systems: queues },
    'bytes',
  ),
  figure(
    'processes',
    'two worker processes over one, drain of 100,000 (peers: 30,000)',
    'ratio',
    [{ atLeast: 1.5 }],
    {
      script: 'processes',
      args: ['jobs=100000'],
      systems: queues,
      argsOf: { bullmq: ['jobs=30000'], bee: ['jobs=30000'] },
    },
    'ratio',
  ),
  figure(
    'backlog',
    'drain with 1,000,000 waiting over that with 10,000 (BullMQ: one round)',
    'ratio',
    [{ atLeast: 0.9 }],
    { ...backlog, systems: ['offstage', 'bullmq'], roundsOf: { bullmq: 1 } },
    'ratio',
  ),
  figure('idle', 'CPU of an idle worker over 30 s (one round)', '% of a core', [], idle, 'percent'),
  figure(
    'idle-commands',
    'commands that Redis runs for it meanwhile, those in scripts too',
    '/s',
    [],
    idle,
    'commands',
  ),
]

const postgresQueues = ['offstage', 'graphile', 'pg-boss', 'bullmq-postgres', 'bare-postgres'] as const
const postgresWorkers = ['offstage', 'graphile', 'bullmq-postgres', 'bare-postgres'] as const
const postgresDrain = {
  script: 'drain',
  args: ['jobs=50000', 'waiting=50000', 'concurrency=100'],
  systems: postgresQueues,
  argsOf: { 'bullmq-postgres': ['jobs=3000', 'waiting=3000'], 'pg-boss': ['jobs=30000', 'waiting=30000'] },
}
const postgresSame = {
  ...latencySame,
  args: ['where=same', 'samples=120'],
  systems: postgresQueues.slice(0, 4),
}
const postgresOther = {
  ...latencyOther,
  args: ['where=other', 'samples=120', 'gap=60'],
  systems: postgresQueues.slice(0, 4),
}
// A producer announces a queue at most once in 50 ms: these come too close upon one another.
const postgresClose = { ...postgresOther, args: ['where=other', 'samples=120'] }
const million = {
  script: 'million',
  args: ['jobs=1000000', 'sample=50000'],
  systems: postgresQueues,
  argsOf: {
    'pg-boss': ['jobs=200000', 'sample=20000'],
    'bullmq-postgres': ['jobs=20000', 'sample=3000'],
  },
  roundsOf: once(postgresQueues),
}
const snapshotSystems = ['offstage', 'graphile', 'bare-postgres'] as const
const snapshot = {
  script: 'snapshot',
  args: ['seconds=60'],
  systems: snapshotSystems,
  roundsOf: once(snapshotSystems),
}
const idlePostgres = {
  script: 'idle',
  args: ['seconds=30'],
  systems: postgresQueues.slice(0, 4),
  roundsOf: once(postgresQueues),
}
const smallest: readonly Target[] = [
  { over: 'graphile', atMost: 1 },
  { over: 'pg-boss', atMost: 1 },
  { over: 'bullmq-postgres', atMost: 1 },
]

const postgres: readonly Figure[] = [
  figure(
    'enqueue',
    'enqueue one at a time, 64 in flight (ours: input checked)',
    'jobs/s',
    [{ over: 'graphile', atLeast: 15 }],
    {
      script: 'enqueue',
      args: ['mode=single', 'jobs=20000'],
      systems: postgresQueues,
      argsOf: {
        graphile: ['jobs=3000', 'warm=500'],
        'pg-boss': ['jobs=3000', 'warm=500'],
        'bullmq-postgres': ['jobs=3000', 'warm=500'],
      },
    },
  ),
  figure('bulk', 'bulk, 1,000 a call', 'jobs/s', [{ over: 'graphile', atLeast: 2 }], {
    script: 'enqueue',
    args: ['mode=bulk', 'jobs=50000', 'call=1000', 'warm=200'],
    systems: postgresQueues,
  }),
  figure(
    'drain',
    'drain, no-op, concurrency 100 (ours and the prototype: states kept)',
    'jobs/s',
    [
      { over: 'graphile', atLeast: 1.5 },
      { over: 'bullmq-postgres', atLeast: 15 },
    ],
    postgresDrain,
  ),
  figure('loop-delay', 'event-loop delay p99 during that drain', 'ms', [], postgresDrain, 'loopDelayP99Ms'),
  figure('drain-1', 'the same drain, concurrency 1 (pg-boss polls: not measured)', 'jobs/s', [], {
    script: 'drain',
    args: ['jobs=20000', 'waiting=20000', 'concurrency=1'],
    systems: postgresWorkers,
    argsOf: { 'bullmq-postgres': ['jobs=2000', 'waiting=2000'] },
  }),
  figure(
    'latency',
    'enqueue to start, idle worker, same process, p50',
    'ms',
    [{ over: 'graphile', atMost: 1 }],
    postgresSame,
    'p50',
  ),
  figure('latency-p99', 'the same, p99', 'ms', [], postgresSame, 'p99'),
  figure(
    'latency-other',
    'enqueue to start, idle worker, other process, p50',
    'ms',
    [{ over: 'graphile', atMost: 1 }],
    postgresOther,
    'p50',
  ),
  figure('latency-other-p99', 'the same, p99', 'ms', [], postgresOther, 'p99'),
  figure(
    'latency-close',
    'the same where the next job comes 15 ms after the last has started, p50',
    'ms',
    [],
    postgresClose,
    'p50',
  ),
  figure(
    'processes',
    'two worker processes over one (three rounds)',
    'ratio',
    [],
    {
      script: 'processes',
      args: ['jobs=100000'],
      systems: postgresWorkers,
      argsOf: { 'bullmq-postgres': ['jobs=4000'] },
      roundsOf: once(postgresWorkers, 3),
    },
    'ratio',
  ),
  figure(
    'snapshot',
    'p99 of a claim (settle 100 and claim 100) with a snapshot held open for 60 s, over that without',
    'ratio',
    [{ below: 5 }],
    { ...snapshot, systems: ['offstage', 'bare-postgres'] },
    'ratio',
  ),
  figure(
    'snapshot-p50',
    'the same of the p50, where waiting for the disk does not hide it',
    'ratio',
    [],
    { ...snapshot, systems: ['offstage', 'bare-postgres'] },
    'p50Ratio',
  ),
  figure(
    'snapshot-p99',
    'that p99 with the snapshot',
    'ms',
    [],
    { ...snapshot, systems: ['offstage', 'bare-postgres'] },
    'p99',
  ),
  figure(
    'snapshot-rate',
    'rate with the snapshot over that without (graphile-worker: of a worker)',
    'ratio',
    [],
    snapshot,
    'rateRatio',
  ),
  figure(
    'backlog',
    'drain with 1,000,000 waiting over that with 10,000',
    'ratio',
    [{ atLeast: 0.9 }],
    million,
    'ratio',
  ),
  figure('waiting', 'a waiting job in PostgreSQL, indexes included', 'bytes', [], million, 'waiting'),
  figure(
    'ended',
    'what is left of a job after 1,000,000 were enqueued and drained (ours, the prototype and pg-boss: states kept)',
    'bytes',
    smallest,
    million,
    'ended',
  ),
  figure('dead', 'dead row versions then, of 1,000 jobs', 'rows', smallest, million, 'left'),
  figure('dead-made', 'row versions that died meanwhile, of 1,000 jobs', 'rows', smallest, million, 'made'),
  figure('idle', 'CPU of an idle worker over 30 s', '% of a core', [], idlePostgres, 'percent'),
  figure(
    'idle-transactions',
    'transactions that PostgreSQL runs for it meanwhile',
    '/s',
    [],
    idlePostgres,
    'commands',
  ),
]

const blocked = {
  script: 'blocked',
  args: [],
  systems: ['offstage', 'bullmq'],
  roundsOf: once(['offstage', 'bullmq']),
} as const
const keeper = { script: 'keeper', args: ['jobs=150000'] }
const watchdog = { script: 'watchdog', args: ['seconds=10'] }

const worker: readonly Figure[] = [
  figure(
    'waiting',
    '1,000 jobs of 100 ms at a time, one worker: of the ideal 10,000 jobs/s',
    '%',
    [{ atLeast: 95 }],
    { script: 'waiting', args: ['jobs=60000'], systems: ['offstage', 'bullmq'] },
    'percent',
  ),
  figure(
    'blocked',
    'a handler that blocks for three leases: how often it runs',
    'runs',
    [{ atMost: 1 }],
    blocked,
    'runs',
  ),
  figure(
    'blocked-others',
    'the 50 others: those that ran more than once',
    'jobs',
    [{ atMost: 0 }],
    blocked,
    'repeated',
  ),
  figure('blocked-last', 'the last of the 50 to end, after the block began', 's', [], blocked, 'lastSeconds'),
  figure(
    'blocked-failed',
    'jobs of the 51 that are recorded as failed',
    'jobs',
    [{ atMost: 0 }],
    blocked,
    'failed',
  ),
  figure(
    'keeper',
    'drain with leases kept by the thread over that with leases kept by the loop',
    'ratio',
    [{ atLeast: 0.99 }],
    keeper,
    'rate',
  ),
  figure('keeper-cpu', 'CPU of the process a job, the same way', 'ratio', [], keeper, 'cpu'),
  figure(
    'watchdog',
    'one handler waits: the time for which the event loop is awake, watched by the thread',
    '%',
    [{ below: 1 }],
    watchdog,
    'watched',
  ),
  figure(
    'unwatched',
    'the same with leases kept by the loop, which is not watched',
    '%',
    [],
    watchdog,
    'unwatched',
  ),
  figure(
    'watchdog-cpu',
    'CPU of the whole process meanwhile, watched',
    '% of a core',
    [],
    watchdog,
    'cpuWatched',
  ),
  figure('unwatched-cpu', 'the same, not watched', '% of a core', [], watchdog, 'cpuUnwatched'),
]

const hop = { script: 'threads', args: ['jobs=200', 'hops=3000'] }

const threads: readonly Figure[] = [
  figure(
    'compute',
    "jobs that compute, runIn: 'thread' over inline, two at once",
    'ratio',
    [{ atLeast: 1.5 }],
    hop,
    'ratio',
  ),
  figure('ping', 'ping of the same process meanwhile, p99', 'ms', [{ below: 50 }], hop, 'pingThreads'),
  figure('ping-inline', 'the same with the jobs inline', 'ms', [], hop, 'pingInline'),
  figure(
    'hop',
    'what a thread adds to an attempt that does nothing, p50',
    'ms',
    [{ below: 0.3 }],
    hop,
    'hop',
  ),
  figure('offload', 'an offloaded no-op call, one after the other', 'ms', [], hop, 'offload'),
]

export const suites: { readonly [name: string]: Suite } = {
  threads: {
    figures: threads,
    server: undefined,
    peers: [],
    client: undefined,
    args: [],
    conditions: 'jobs on a SQLite file, one worker process, durability FULL',
  },
  sqlite: {
    figures: sqlite,
    server: undefined,
    peers: [],
    client: undefined,
    args: ['check=types'],
    conditions: 'payload of 88 bytes, states kept, one worker process, durability FULL',
  },
  redis: {
    figures: redis,
    server: 'redis',
    peers: ['bee-queue', 'bullmq', 'ioredis'],
    client: 'ioredis',
    args: ['check=zod'],
    conditions:
      'payload of 88 bytes; Offstage with its defaults, the others as their documents have them for speed',
  },
  worker: {
    figures: worker,
    server: 'redis',
    peers: ['bullmq', 'ioredis'],
    client: 'ioredis',
    args: ['check=types'],
    conditions: 'on Redis; two workers with leases (locks) of 3 s where a handler blocks',
  },
  postgres: {
    figures: postgres,
    server: 'postgres',
    peers: ['graphile-worker', 'pg-boss', 'bullmq', 'pg'],
    client: 'pg',
    args: ['check=zod'],
    conditions:
      'payload of 88 bytes; Offstage with its defaults, the others as their documents have them for speed; slow systems have fewer jobs, and what takes a minute is measured once',
  },
}

function once(systems: readonly SystemName[], rounds = 1): Figure['roundsOf'] {
  return Object.fromEntries(systems.map((system) => [system, rounds]))
}

function figure(
  name: string,
  title: string,
  unit: string,
  targets: readonly Target[],
  measured: Measured,
  value = 'rate',
): Figure {
  return {
    systems: ['offstage'],
    argsOf: {},
    roundsOf: {},
    ...measured,
    name,
    title,
    unit,
    targets,
    value,
  }
}
