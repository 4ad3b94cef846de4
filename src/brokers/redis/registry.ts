// The rest of the record half: queues and limits, workers and schedules, what attempts write, counters.
import type {
  CounterRow,
  Limit,
  LimitRule,
  LimitScope,
  LogLine,
  Note,
  QueueInfo,
  Schedule,
  StateCounts,
  Step,
  WorkerInfo,
} from '../../broker/contract.ts'
import { bounds } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'
import { jobStates } from '../../job/states.ts'
import { scripts } from './scripts.ts'
import { run, type Space } from './space.ts'
import { ByteReader, ByteWriter } from './wire/bytes.ts'
import { readPayload } from './wire/claims.ts'
import { packGroups } from './wire/enqueue.ts'
import { packId } from './wire/ids.ts'
import { levelName, packNotes } from './wire/outcomes.ts'

type Counts = { -readonly [S in keyof StateCounts]: number }

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** Minutes of counters a trip. */
const MINUTES = 120

// ── queues and limits ────────────────────────────────────────────────────────────────────────────────────────────

export async function queues(space: Space): Promise<QueueInfo[]> {
  const [states, kinds, rules] = (await run(space, scripts.queues)) as [
    Buffer[],
    [Buffer, ...number[]][],
    Buffer[],
  ]
  const limits = new Map<string, Limit>()
  for (const { scope, source, limit } of readRules(rules)) {
    const key = ruleKey(scope)
    if (limit !== null && (source === 'set' || !limits.has(key))) limits.set(key, limit)
  }
  const counts = new Map<string, Counts>()
  const zero = (): Counts => Object.fromEntries(jobStates.map((state) => [state, 0])) as Counts
  for (const [text, ...numbers] of kinds) {
    const queue = text.toString().split('\n')[0] ?? ''
    const sum = counts.get(queue) ?? zero()
    counts.set(queue, sum)
    for (const [i, state] of jobStates.entries()) sum[state] += numbers[i] ?? 0
  }
  return pairs(states).map(([name, state]) => {
    const queue = name.toString()
    const limit = limits.get(`queue\n${queue}`)
    const partitionLimit = limits.get(`partition\n${queue}`)
    return {
      queue,
      paused: state.toString() === 'p',
      counts: counts.get(queue) ?? zero(),
      ...(limit === undefined ? {} : { limit }),
      ...(partitionLimit === undefined ? {} : { partitionLimit }),
    }
  })
}

export async function pause(space: Space, queue: string, paused: boolean): Promise<void> {
  await run(space, scripts.pause, queue, paused ? '1' : '0')
}

export async function limit(space: Space, rules: readonly LimitRule[]): Promise<void> {
  if (rules.length === 0) return
  const args = rules.flatMap(({ scope, source, limit: wanted }) => [
    ruleKey(scope),
    source,
    wanted === null ? '' : JSON.stringify(wanted),
  ])
  await run(space, scripts.limit, ...args)
}

export async function publish(space: Space, workflow: string): Promise<boolean> {
  return (await run(space, scripts.publish, workflow)) === 1
}

export async function limits(space: Space): Promise<LimitRule[]> {
  return readRules((await space.client.command(space.base, 'HGETALL', [`${space.base}rules`])) as Buffer[])
}

function ruleKey(scope: LimitScope): string {
  return scope.kind === 'task' ? `task\n${scope.task}` : `${scope.kind}\n${scope.queue}`
}

function readRules(fields: Buffer[]): LimitRule[] {
  return pairs(fields).map(([key, text]) => {
    const [kind, name = '', source] = key.toString().split('\n')
    const scope: LimitScope =
      kind === 'task' ? { kind, task: name } : { kind: kind === 'queue' ? kind : 'partition', queue: name }
    return {
      scope,
      source: source === 'set' ? 'set' : 'declared',
      limit: JSON.parse(text.toString()) as Limit,
    }
  })
}

// ── workers and schedules ────────────────────────────────────────────────────────────────────────────────────────

export async function beat(space: Space, worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
  await run(space, scripts.beat, worker.id, JSON.stringify(worker), String(ttlMs))
}

export async function leave(space: Space, worker: string): Promise<void> {
  await run(space, scripts.beat, worker, '', '0')
}

export async function workers(space: Space): Promise<WorkerInfo[]> {
  const rows = (await run(space, scripts.beat, '', '', '0')) as [Buffer, Buffer][]
  return rows.map(([seenAt, text]) => {
    const worker = JSON.parse(text.toString()) as Omit<WorkerInfo, 'seenAt'>
    return { ...worker, seenAt: Number(seenAt.toString()) }
  })
}

export async function putSchedule(space: Space, schedule: Schedule): Promise<void> {
  const { id, rule, job, nextAt, lastAt = -1, paused } = schedule
  const times = [String(nextAt), String(lastAt), paused ? '1' : '0']
  await run(space, scripts.putSchedule, id, ...times, sortedJson(rule), packJob(job))
}

export async function schedules(space: Space): Promise<Schedule[]> {
  const fields = (await space.client.command(space.base, 'HGETALL', [`${space.base}schedules`])) as Buffer[]
  return pairs(fields).map(([id, bytes]) => {
    const reader = new ByteReader(bytes)
    const nextAt = reader.f64()
    const lastAt = reader.f64()
    const paused = reader.u8() === 1
    const rule = JSON.parse(reader.bytes32().toString()) as Schedule['rule']
    const job = unpackJob(reader.rest())
    return { id: id.toString(), rule, job, nextAt, paused, ...(lastAt < 0 ? {} : { lastAt }) }
  })
}

export async function removeSchedule(space: Space, id: string): Promise<boolean> {
  return (await space.client.command(space.base, 'HDEL', [`${space.base}schedules`, id])) === 1
}

export async function fire(
  space: Space,
  tick: { schedule: string; tick: number; nextAt: number; job?: JobSpec | undefined },
): Promise<boolean> {
  const job = tick.job === undefined ? [''] : packGroups([[tick.job]])
  const times = [String(tick.tick), String(tick.nextAt)]
  return (await run(space, scripts.fire, tick.schedule, ...times, ...job)) === 1
}

/** The same text for the same rule, whatever the order of its fields. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

/** A schedule's job: its fields as JSON, and its input as it is. */
function packJob({ input, ...fields }: Schedule['job']): Buffer {
  const writer = new ByteWriter()
  writer.text32(JSON.stringify(fields))
  writer.u8(input.codec)
  writer.raw(input.bytes)
  return writer.take()
}

function unpackJob(bytes: Buffer): Schedule['job'] {
  const reader = new ByteReader(bytes)
  const fields = JSON.parse(reader.bytes32().toString()) as Omit<Schedule['job'], 'input'>
  return { ...fields, input: readPayload(reader.rest()) }
}

// ── what attempts write ──────────────────────────────────────────────────────────────────────────────────────────

const OK = 111

export async function write(space: Space, notes: readonly Note[]): Promise<('ok' | 'lost')[]> {
  const letters = await run(space, scripts.write, String(bounds.logLines), packNotes(notes))
  return Array.from(letters as Buffer, (letter) => (letter === OK ? 'ok' : 'lost'))
}

export async function logs(space: Space, id: string, afterSeq = 0): Promise<LogLine[]> {
  const key = Buffer.concat([Buffer.from(`${space.base}log:`), packId(id)])
  const lines = (await space.client.command(space.base, 'LRANGE', [key, '0', '-1'])) as Buffer[]
  return lines
    .map((line) => {
      const reader = new ByteReader(line)
      const [seq, at, token] = [reader.u32(), reader.u48(), reader.u56()]
      return { seq, at, token, level: levelName(reader.u8()), text: reader.rest().toString() }
    })
    .filter(({ seq }) => seq > afterSeq)
    .slice(0, 1_000)
}

export async function steps(space: Space, id: string): Promise<Step[]> {
  const key = Buffer.concat([Buffer.from(`${space.base}steps:`), packId(id)])
  const fields = (await space.client.command(space.base, 'HGETALL', [key])) as Buffer[]
  return pairs(fields)
    .map(([name, bytes]) => {
      const reader = new ByteReader(bytes)
      const [place, at] = [reader.u32(), reader.u48()]
      return { place, step: { name: name.toString(), at, value: readPayload(reader.rest()) } }
    })
    .sort((a, b) => a.place - b.place)
    .map(({ step }) => step)
}

// ── counters ─────────────────────────────────────────────────────────────────────────────────────────────────────

const FIELDS = {
  e: 'enqueued',
  s: 'succeeded',
  r: 'retried',
  f: 'failed',
  c: 'cancelled',
  x: 'crashed',
  m: 'ranMs',
} as const satisfies { [letter: string]: keyof CounterRow }

export async function counters(space: Space, fromAt: number, toAt: number): Promise<CounterRow[]> {
  const [seconds] = (await space.client.command(space.base, 'TIME', [])) as [Buffer]
  const now = Number(seconds.toString()) * 1_000
  const first = Math.ceil(Math.max(fromAt, now - DAY_MS) / MINUTE_MS) * MINUTE_MS
  const end = Math.min(toAt, now + 2 * MINUTE_MS)
  const rows: CounterRow[] = []
  for (let from = first; from < end; from += MINUTES * MINUTE_MS) {
    const minutes: number[] = []
    for (let at = from; at < end && minutes.length < MINUTES; at += MINUTE_MS) minutes.push(at)
    const [fields, kinds] = (await run(space, scripts.counters, ...minutes.map(String))) as [
      Buffer[][],
      Buffer[],
    ]
    space.kinds.learn(kinds)
    for (const [i, minuteAt] of minutes.entries()) rows.push(...readMinute(space, minuteAt, fields[i] ?? []))
  }
  return rows
}

function readMinute(space: Space, minuteAt: number, fields: Buffer[]): CounterRow[] {
  const rows = new Map<string, { -readonly [F in keyof CounterRow]: CounterRow[F] }>()
  for (const [field, value] of pairs(fields)) {
    const text = field.toString()
    const { queue, task } = space.kinds.get(Number(text.slice(0, -1)))
    const key = `${queue}\n${task}`
    const row = rows.get(key) ?? {
      minuteAt,
      queue,
      task,
      enqueued: 0,
      succeeded: 0,
      retried: 0,
      failed: 0,
      cancelled: 0,
      crashed: 0,
      ranMs: 0,
    }
    rows.set(key, row)
    row[FIELDS[text.slice(-1) as keyof typeof FIELDS]] += Number(value.toString())
  }
  return [...rows.values()]
}

function pairs(flat: readonly Buffer[]): [Buffer, Buffer][] {
  const list: [Buffer, Buffer][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] as Buffer, flat[i + 1] as Buffer])
  return list
}
