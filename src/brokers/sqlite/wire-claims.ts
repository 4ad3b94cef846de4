// Claimed jobs on the wire.
import type { Reserved, ReservedJob } from '../../broker/contract.ts'
import { RECORD_VERSION, unpackRare } from '../../job/record.ts'
import { type Bytes, type Column, Dictionary, Packer, put } from './columns.ts'

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
