// The jobs of a world: what is enqueued, and what its handlers do when they run.
import { NonRetryable, RetryAfter, Snooze } from '../../src/errors/control.ts'
import { encodeJson } from '../../src/job/codec.ts'
import { defaultRetention } from '../../src/job/defaults.ts'
import type { JobSpec, RetryPolicy } from '../../src/job/record.ts'
import type { Random } from '../support/random.ts'

/** What one attempt does. Times are milliseconds. */
export type Deed =
  | { readonly kind: 'return'; readonly ms: number; readonly heeds: boolean; readonly notes: number }
  | { readonly kind: 'throw'; readonly ms: number; readonly thrown: () => unknown }
  /** Never settles; `heeds`: rejects when it is told to stop. */
  | { readonly kind: 'hang'; readonly heeds: boolean }
  /** Returns what JSON cannot carry. */
  | { readonly kind: 'unfit' }
  /** Holds the event loop of its process. */
  | { readonly kind: 'block'; readonly ms: number }
  /** Kills its process. */
  | { readonly kind: 'kill'; readonly ms: number }

interface PlannedJob {
  readonly spec: JobSpec
  /** One a run; the last one is for all that follow. */
  readonly deeds: readonly Deed[]
}

export const RETRY: RetryPolicy = { attempts: 4, baseMs: 100, maxMs: 1_500 }

/** The tasks of a world and their queues. Probes have one a worker. */
export const TASKS = {
  plain: 'main',
  limited: 'main',
  rated: 'side',
  parted: 'parts',
  fresh: 'side',
} as const

export type TaskName = keyof typeof TASKS

/** What a world's jobs are like: shares from 0 to 1. */
export interface Mix {
  readonly special: number
  readonly failing: number
  readonly delayed: number
  readonly slow: number
  readonly noted: number
  readonly hanging: number
  readonly blocking: number
  readonly erased: number
}

const ODD: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => 'text',
  () => Symbol('odd'),
  () => Object.freeze({ code: 'SNOOZE' }),
  () => ({
    get message() {
      throw new Error('hostile')
    },
    get code() {
      throw new Error('hostile')
    },
  }),
  () => new Proxy({}, { get: () => undefined }),
]

const THROWN: readonly (() => unknown)[] = [
  () => new Error('failed'),
  () => new Error('failed'),
  () => new RetryAfter(300),
  () => new Snooze(700),
  () => new NonRetryable('never'),
]

export class Jobs {
  readonly #planned = new Map<string, PlannedJob>()
  readonly #runs = new Map<string, number>()
  readonly #random: Random
  readonly #mix: Mix

  constructor(random: Random, mix: Mix) {
    this.#random = random
    this.#mix = mix
  }

  /** What the next run of a job does. */
  next(id: string): Deed {
    const { deeds = [] } = this.#planned.get(id) ?? {}
    const runs = this.#runs.get(id) ?? 0
    this.#runs.set(id, runs + 1)
    const deed = deeds[Math.min(runs, deeds.length - 1)]
    if (deed === undefined) throw new Error(`nobody planned ${id}`)
    return deed
  }

  /** Whether it kills who runs it. */
  kills(id: string): boolean {
    return this.#planned.get(id)?.deeds.some(({ kind }) => kind === 'kill') === true
  }

  /** A group that is stored whole or not at all. */
  group(): JobSpec[] {
    const random = this.#random
    if (random.chance(0.15)) return this.#chain()
    const specs: JobSpec[] = []
    for (let left = random.whole(1, 4); left > 0; left -= 1) specs.push(this.#plan(this.#spec(this.#task())))
    return specs
  }

  /** Works for so long, on the one worker that has the queue. */
  probe(worker: string, ms: number): JobSpec {
    const task = `probe-${worker}`
    const spec = { ...this.#bare(task, task), priority: 9 }
    return this.#plan(spec, [{ kind: 'return', ms, heeds: true, notes: 0 }])
  }

  /** Kills every process that runs it. */
  poison(): JobSpec {
    const kill = { kind: 'kill', ms: this.#random.pick([0, 0, 5, 200]) } as const
    return this.#plan(this.#spec('plain', []), [kill])
  }

  #task(): TaskName {
    const { special } = this.#mix
    return this.#random.chance(special) ? this.#random.pick(['limited', 'rated', 'parted', 'fresh']) : 'plain'
  }

  #chain(): JobSpec[] {
    const first = this.#plan(this.#spec('plain', ['expiry']))
    const when = this.#random.pick(['succeeded', 'ended'] as const)
    const second = this.#plan({ ...this.#spec('plain', ['expiry']), after: [{ id: first.id, when }] })
    return [first, second]
  }

  #plan(spec: JobSpec, deeds = this.#deeds()): JobSpec {
    const planned = deeds.some(({ kind }) => kind === 'hang')
      ? { ...spec, timeoutMs: this.#random.whole(200, 2_000) }
      : spec
    this.#planned.set(spec.id, { spec: planned, deeds })
    return planned
  }

  #bare(task: string, queue: string): JobSpec {
    const id = `${task}-${this.#planned.size}`
    return {
      id,
      task,
      queue,
      priority: 5,
      input: encodeJson({ id }),
      retention: defaultRetention,
      maxCrashes: 3,
    }
  }

  #spec(task: TaskName, rare: readonly ('key' | 'expiry')[] = ['key', 'expiry']): JobSpec {
    const random = this.#random
    const { delayed, erased, special } = this.#mix
    return {
      ...this.#bare(task, TASKS[task]),
      priority: random.pick([5, 5, 5, 1, 9]),
      ...(random.chance(delayed) ? { delayMs: random.whole(1, 3_000) } : {}),
      ...(random.chance(erased) ? { retention: { ...defaultRetention, succeededMs: 0 } } : {}),
      ...(task === 'parted' ? { partition: random.pick(['a', 'b']) } : {}),
      ...(rare.includes('expiry') && random.chance(special / 5)
        ? { expiresInMs: random.whole(100, 5_000) }
        : {}),
      ...(rare.includes('key') && random.chance(special / 2) ? { unique: this.#unique() } : {}),
    }
  }

  #unique(): NonNullable<JobSpec['unique']> {
    const during = this.#random.pick(['unfinished', 'unfinished', 'waiting'] as const)
    return {
      key: this.#random.pick(['k1', 'k2']),
      during,
      onConflict: this.#random.pick(['keep', 'replace']),
    }
  }

  #deeds(): Deed[] {
    const random = this.#random
    const deeds: Deed[] = []
    while (deeds.length < 4 && random.chance(this.#mix.failing)) deeds.push(this.#bad())
    deeds.push(this.#good())
    return deeds
  }

  #good(): Deed {
    const random = this.#random
    const ms = random.chance(this.#mix.slow) ? random.between(200, 3_000) : random.pick([0, 0, 1, 20])
    const notes = random.chance(this.#mix.noted) ? random.whole(1, 4) : 0
    return { kind: 'return', ms, heeds: random.chance(0.6), notes }
  }

  #bad(): Deed {
    const random = this.#random
    const { hanging, blocking } = this.#mix
    if (random.chance(hanging)) return { kind: 'hang', heeds: random.chance(0.5) }
    if (random.chance(blocking)) return { kind: 'block', ms: random.between(50, 4_000) }
    if (random.chance(0.05)) return { kind: 'unfit' }
    return { kind: 'throw', ms: random.pick([0, 0, 10, 400]), thrown: random.pick([...THROWN, ...ODD]) }
  }
}
