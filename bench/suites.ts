// What is measured, in which process, and what it is measured against.

export interface Figure {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** What the project sets itself; a figure that falls short is reported, never asserted. */
  readonly target: { readonly atLeast: number } | { readonly below: number } | undefined
  /** The script in `figures/` and its arguments. It prints one line of JSON: `{ [name]: number }`. */
  readonly script: string
  readonly args: readonly string[]
  /** Which of the script's values this is. */
  readonly value: string
}

const drain = ['drain', 'jobs=100000', 'waiting=100000'] as const

const sqlite: readonly Figure[] = [
  figure(
    'enqueue-many',
    'enqueueMany, one call of 100,000',
    'jobs/s',
    { atLeast: 100_000 },
    'enqueue',
    ['mode=bulk', 'call=100000'],
    'rate',
  ),
  figure(
    'enqueue-bulk',
    'enqueueMany, 1,000 a call, one after the other',
    'jobs/s',
    undefined,
    'enqueue',
    ['mode=bulk', 'call=1000'],
    'rate',
  ),
  figure(
    'enqueue',
    'enqueue, 64 in flight',
    'jobs/s',
    { atLeast: 30_000 },
    'enqueue',
    ['mode=single'],
    'rate',
  ),
  figure('drain', 'drain, no-op, concurrency 100', 'jobs/s', { atLeast: 50_000 }, ...drain, 'rate'),
  figure(
    'loop-delay',
    'event-loop delay p99 during that drain',
    'ms',
    { below: 20 },
    ...drain,
    'loopDelayP99Ms',
  ),
  figure(
    'latency',
    'enqueue to start, idle worker, same process, p50',
    'ms',
    { below: 3 },
    'latency',
    ['where=same'],
    'p50',
  ),
  figure('latency-p99', 'the same, p99', 'ms', undefined, 'latency', ['where=same'], 'p99'),
  figure(
    'latency-other',
    'enqueue to start, idle worker, other process, p50',
    'ms',
    { below: 10 },
    'latency',
    ['where=other'],
    'p50',
  ),
  figure('latency-other-p99', 'the same, p99', 'ms', undefined, 'latency', ['where=other'], 'p99'),
  figure(
    'idle',
    'CPU of an idle worker over 60 s',
    '% of a core',
    { below: 1 },
    'idle',
    ['seconds=60'],
    'percent',
  ),
  figure(
    'backlog',
    'drain with 1,000,000 waiting over that with 10,000',
    'ratio',
    { atLeast: 0.8 },
    'backlog',
    [],
    'ratio',
  ),
  figure('import', "import 'offstage'", 'ms', { below: 40 }, 'import', [], 'ms'),
]

export const suites: { readonly [name: string]: readonly Figure[] } = { sqlite }

function figure(
  name: string,
  title: string,
  unit: string,
  target: Figure['target'],
  script: string,
  ...rest: readonly (string | readonly string[])[]
): Figure {
  const flat = rest.flat()
  return { name, title, unit, target, script, args: flat.slice(0, -1), value: flat.at(-1) ?? '' }
}
