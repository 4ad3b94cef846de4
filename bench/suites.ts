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
  readonly server: 'redis' | undefined
  /** Whether the peers of `bench/package.json` are needed, and with them the current Node. */
  readonly peers: boolean
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

export const suites: { readonly [name: string]: Suite } = {
  sqlite: {
    figures: sqlite,
    server: undefined,
    peers: false,
    args: ['check=types'],
    conditions: 'payload of 88 bytes, states kept, one worker process, durability FULL',
  },
  redis: {
    figures: redis,
    server: 'redis',
    peers: true,
    args: ['check=zod'],
    conditions:
      'payload of 88 bytes; Offstage with its defaults, the others as their documents have them for speed',
  },
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
