// New jobs on the wire.
import { defaultMaxCrashes, defaultRetention } from '../../job/defaults.ts'
import { type JobSpec, packRare, RECORD_VERSION } from '../../job/record.ts'
import { type Bytes, type Column, Dictionary, Packer, put } from './columns.ts'
import { FLAG } from './flags.ts'

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
