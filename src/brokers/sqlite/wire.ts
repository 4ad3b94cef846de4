// How batches cross to the broker's thread and back: a column a field, so that a batch is a handful of flat arrays,
// and one transferred buffer for all payloads. Columns that nobody fills are left out.
import type { Outcome, Reserved, ReservedJob, Settled } from '../../broker/contract.ts'
import { defaultMaxCrashes, defaultRetention } from '../../job/defaults.ts'
import { type JobSpec, packRare, RECORD_VERSION, unpackRare } from '../../job/record.ts'
import { FLAG } from './flags.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Payloads end to end. */
class Packer {
  readonly lengths: number[] = []
  readonly #parts: Uint8Array[] = []
  #size = 0

  add(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.lengths.push(bytes.length)
    this.#size += bytes.length
  }

  join(): Bytes {
    const all = new Uint8Array(this.#size)
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}

/** Strings that come again and again, by number. */
class Dictionary {
  readonly words: string[] = []
  readonly #numbers = new Map<string, number>()

  number(word: string): number {
    let number = this.#numbers.get(word)
    if (number === undefined) {
      number = this.words.push(word) - 1
      this.#numbers.set(word, number)
    }
    return number
  }
}

type Column<T> = (T | undefined)[] | undefined

/** A column that is only made when somebody has a value for it. */
function put<T>(column: Column<T>, index: number, value: T | undefined): Column<T> {
  if (value === undefined) {
    column?.push(undefined)
    return column
  }
  const values = column ?? Array.from({ length: index }, () => undefined)
  values.push(value)
  return values
}

// ── specs ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface SpecColumns {
  readonly sizes: number[]
  readonly words: string[]
  readonly ids: string[]
  readonly tasks: number[]
  readonly queues: number[]
  readonly priorities: number[]
  readonly flags: number[]
  readonly lengths: number[]
  readonly bytes: Bytes
  codecs: Column<number>
  versions: Column<number>
  delays: Column<number>
  runAts: Column<number>
  expiries: Column<number>
  partitions: Column<string>
  workflows: Column<string>
  rares: Column<string>
}

/** A job on its way into the store. */
export interface NewJob {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly priority: number
  readonly flags: number
  readonly version: number
  readonly codec: number
  readonly input: Uint8Array
  readonly delayMs: number | undefined
  readonly runAt: number | undefined
  readonly expiresInMs: number | undefined
  readonly partition: string | undefined
  readonly workflow: string | undefined
  readonly rare: string | undefined
}

const DEFAULTS = { retention: defaultRetention, maxCrashes: defaultMaxCrashes }

export function packSpecs(groups: readonly (readonly JobSpec[])[]): SpecColumns {
  const words = new Dictionary()
  const payloads = new Packer()
  const columns: Omit<SpecColumns, 'bytes'> = {
    sizes: groups.map((group) => group.length),
    words: words.words,
    ids: [],
    tasks: [],
    queues: [],
    priorities: [],
    flags: [],
    lengths: payloads.lengths,
    codecs: undefined,
    versions: undefined,
    delays: undefined,
    runAts: undefined,
    expiries: undefined,
    partitions: undefined,
    workflows: undefined,
    rares: undefined,
  }
  let index = 0
  for (const group of groups) {
    for (const spec of group) {
      columns.ids.push(spec.id)
      columns.tasks.push(words.number(spec.task))
      columns.queues.push(words.number(spec.queue))
      columns.priorities.push(spec.priority)
      payloads.add(spec.input.bytes)
      const rare = packRare(spec, DEFAULTS) ?? undefined
      columns.flags.push(specFlags(spec, rare))
      columns.codecs = put(columns.codecs, index, spec.input.codec === 0 ? undefined : spec.input.codec)
      columns.versions = put(columns.versions, index, spec.version)
      columns.delays = put(columns.delays, index, spec.delayMs)
      columns.runAts = put(columns.runAts, index, spec.runAt)
      columns.expiries = put(columns.expiries, index, spec.expiresInMs)
      columns.partitions = put(columns.partitions, index, spec.partition)
      columns.workflows = put(columns.workflows, index, spec.workflow)
      columns.rares = put(columns.rares, index, rare)
      index += 1
    }
  }
  return { ...columns, bytes: payloads.join() }
}

function specFlags(spec: JobSpec, rare: string | undefined): number {
  if (rare === undefined) return 0
  const { retention, unique, after, search, staged } = spec
  const standard =
    retention.succeededMs === defaultRetention.succeededMs &&
    retention.failedMs === defaultRetention.failedMs &&
    retention.cancelledMs === defaultRetention.cancelledMs
  return (
    (standard ? 0 : FLAG.retention) |
    (unique === undefined ? 0 : FLAG.unique) |
    (after === undefined || after.length === 0 ? 0 : FLAG.child) |
    (search === undefined ? 0 : FLAG.search) |
    (staged === true ? FLAG.staged : 0)
  )
}

export function unpackSpecs(columns: SpecColumns): NewJob[][] {
  const { words, bytes } = columns
  const groups: NewJob[][] = []
  let i = 0
  let at = 0
  for (const size of columns.sizes) {
    const group: NewJob[] = []
    for (let left = size; left > 0; left -= 1, i += 1) {
      const end = at + (columns.lengths[i] ?? 0)
      group.push({
        id: columns.ids[i] ?? '',
        task: words[columns.tasks[i] ?? 0] ?? '',
        queue: words[columns.queues[i] ?? 0] ?? '',
        priority: columns.priorities[i] ?? 0,
        flags: columns.flags[i] ?? 0,
        version: columns.versions?.[i] ?? RECORD_VERSION,
        codec: columns.codecs?.[i] ?? 0,
        input: bytes.subarray(at, end),
        delayMs: columns.delays?.[i],
        runAt: columns.runAts?.[i],
        expiresInMs: columns.expiries?.[i],
        partition: columns.partitions?.[i],
        workflow: columns.workflows?.[i],
        rare: columns.rares?.[i],
      })
      at = end
    }
    groups.push(group)
  }
  return groups
}

// ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface ClaimColumns {
  readonly now: number
  readonly nextDueInMs: number | undefined
  readonly words: string[]
  readonly ids: string[]
  readonly tasks: number[]
  readonly queues: number[]
  readonly priorities: number[]
  readonly tokens: number[]
  readonly createdAts: number[]
  readonly lengths: number[]
  readonly bytes: Bytes
  readonly codecs: Column<number>
  readonly versions: Column<number>
  readonly failures: Column<number>
  readonly crashes: Column<number>
  readonly suspects: Column<true>
  readonly runAts: Column<number>
  readonly partitions: Column<string>
  readonly rares: Column<string>
  readonly progresses: Column<{ codec: number; bytes: Uint8Array }>
  readonly unknownSinces: Column<number>
}

/** A claimed job as the thread adds it. */
export interface Claimed {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly priority: number
  readonly token: number
  readonly createdAt: number
  readonly codec: number
  readonly input: Uint8Array
  readonly version: number
  readonly failures: number
  readonly crashes: number
  readonly suspect: boolean
  readonly runAt: number | null
  readonly partition: string | null
  readonly rare: string | null
  readonly progress: { codec: number; bytes: Uint8Array } | undefined
  readonly unknownSince: number | null
}

export class ClaimPacker {
  readonly #words = new Dictionary()
  readonly #payloads = new Packer()
  readonly #ids: string[] = []
  readonly #tasks: number[] = []
  readonly #queues: number[] = []
  readonly #priorities: number[] = []
  readonly #tokens: number[] = []
  readonly #createdAts: number[] = []
  #codecs: Column<number>
  #versions: Column<number>
  #failures: Column<number>
  #crashes: Column<number>
  #suspects: Column<true>
  #runAts: Column<number>
  #partitions: Column<string>
  #rares: Column<string>
  #progresses: Column<{ codec: number; bytes: Uint8Array }>
  #unknownSinces: Column<number>

  get size(): number {
    return this.#ids.length
  }

  add(job: Claimed): void {
    const index = this.#ids.length
    this.#ids.push(job.id)
    this.#tasks.push(this.#words.number(job.task))
    this.#queues.push(this.#words.number(job.queue))
    this.#priorities.push(job.priority)
    this.#tokens.push(job.token)
    this.#createdAts.push(job.createdAt)
    this.#payloads.add(job.input)
    this.#codecs = put(this.#codecs, index, job.codec === 0 ? undefined : job.codec)
    this.#versions = put(this.#versions, index, job.version === RECORD_VERSION ? undefined : job.version)
    this.#failures = put(this.#failures, index, job.failures === 0 ? undefined : job.failures)
    this.#crashes = put(this.#crashes, index, job.crashes === 0 ? undefined : job.crashes)
    this.#suspects = put(this.#suspects, index, job.suspect ? true : undefined)
    this.#runAts = put(this.#runAts, index, job.runAt ?? undefined)
    this.#partitions = put(this.#partitions, index, job.partition ?? undefined)
    this.#rares = put(this.#rares, index, job.rare ?? undefined)
    this.#progresses = put(this.#progresses, index, job.progress)
    this.#unknownSinces = put(this.#unknownSinces, index, job.unknownSince ?? undefined)
  }

  pack(now: number, nextDueInMs: number | undefined): ClaimColumns {
    return {
      now,
      nextDueInMs,
      words: this.#words.words,
      ids: this.#ids,
      tasks: this.#tasks,
      queues: this.#queues,
      priorities: this.#priorities,
      tokens: this.#tokens,
      createdAts: this.#createdAts,
      lengths: this.#payloads.lengths,
      bytes: this.#payloads.join(),
      codecs: this.#codecs,
      versions: this.#versions,
      failures: this.#failures,
      crashes: this.#crashes,
      suspects: this.#suspects,
      runAts: this.#runAts,
      partitions: this.#partitions,
      rares: this.#rares,
      progresses: this.#progresses,
      unknownSinces: this.#unknownSinces,
    }
  }
}

export function unpackClaims(columns: ClaimColumns): Reserved {
  const { words, bytes, now, nextDueInMs } = columns
  let at = 0
  const jobs = columns.ids.map((id, i): ReservedJob => {
    const end = at + (columns.lengths[i] ?? 0)
    const input = { codec: columns.codecs?.[i] ?? 0, bytes: bytes.subarray(at, end) }
    at = end
    const job = {
      id,
      version: columns.versions?.[i] ?? RECORD_VERSION,
      task: words[columns.tasks[i] ?? 0] ?? '',
      queue: words[columns.queues[i] ?? 0] ?? '',
      priority: columns.priorities[i] ?? 0,
      input,
      token: columns.tokens[i] ?? 0,
      failures: columns.failures?.[i] ?? 0,
      crashes: columns.crashes?.[i] ?? 0,
      suspect: columns.suspects?.[i] ?? false,
      createdAt: columns.createdAts[i] ?? 0,
    }
    const rare = columns.rares?.[i]
    const { runAts, partitions, progresses, unknownSinces } = columns
    if (rare === undefined && !runAts && !partitions && !progresses && !unknownSinces) return job
    return withRareFields(job, rare, {
      runAt: runAts?.[i],
      partition: partitions?.[i],
      progress: progresses?.[i],
      unknownSince: unknownSinces?.[i],
    })
  })
  return nextDueInMs === undefined ? { jobs, now } : { jobs, now, nextDueInMs }
}

function withRareFields(
  job: ReservedJob,
  rare: string | undefined,
  others: Partial<ReservedJob>,
): ReservedJob {
  const { headers, tags, retry, timeoutMs, workflow, node } = unpackRare(rare ?? null)
  const fields = { ...others, headers, tags, retry, timeoutMs, workflow, node }
  return { ...job, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) }
}

// ── outcomes ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Results have columns, since they are what most outcomes are; `others` holds the rest, undefined where a result is. */
export interface OutcomeColumns {
  readonly ids: string[]
  readonly tokens: number[]
  readonly ranMs: (number | undefined)[]
  readonly lengths: number[]
  readonly bytes: Bytes
  codecs: Column<number>
  others: Column<Outcome>
}

export function packOutcomes(outcomes: readonly Outcome[]): OutcomeColumns {
  const payloads = new Packer()
  const columns: Omit<OutcomeColumns, 'bytes'> = {
    ids: [],
    tokens: [],
    ranMs: [],
    lengths: payloads.lengths,
    codecs: undefined,
    others: undefined,
  }
  outcomes.forEach((outcome, index) => {
    columns.ids.push(outcome.id)
    columns.tokens.push(outcome.token)
    columns.ranMs.push(outcome.ranMs)
    const result = outcome.kind === 'succeeded' ? outcome.result : undefined
    payloads.add(result?.bytes ?? NOTHING)
    columns.codecs = put(columns.codecs, index, result?.codec === 0 ? undefined : result?.codec)
    columns.others = put(columns.others, index, outcome.kind === 'succeeded' ? undefined : outcome)
  })
  return { ...columns, bytes: payloads.join() }
}

const NOTHING = new Uint8Array(0)

export function unpackOutcomes(columns: OutcomeColumns): Outcome[] {
  let at = 0
  return columns.ids.map((id, i): Outcome => {
    const end = at + (columns.lengths[i] ?? 0)
    const bytes = columns.bytes.subarray(at, end)
    at = end
    const other = columns.others?.[i]
    if (other !== undefined) return other
    const result = { codec: columns.codecs?.[i] ?? 0, bytes }
    return { kind: 'succeeded', id, token: columns.tokens[i] ?? 0, ranMs: columns.ranMs[i], result }
  })
}

export interface SettledColumns {
  readonly count: number
  /** Which of the outcomes came too late. */
  readonly lost: readonly number[]
  readonly next: ClaimColumns | undefined
}

export function unpackSettled({ count, lost, next }: SettledColumns): Settled {
  const answers = Array.from({ length: count }, (): 'ok' | 'lost' => 'ok')
  for (const index of lost) answers[index] = 'lost'
  return next === undefined ? { answers } : { answers, next: unpackClaims(next) }
}
