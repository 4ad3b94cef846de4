// The rest of the record half: queues and limits, workers and schedules, what attempts write, counters.
import type {
  CounterRow,
  Limit,
  LimitRule,
  LimitScope,
  LogLevel,
  LogLine,
  Note,
  QueueInfo,
  Schedule,
  Step,
  WorkerInfo,
} from '../../broker/contract.ts'
import { bounds } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'
import type { Row } from './client/client.ts'
import { call, callRows, type Space, select } from './space.ts'
import {
  packBools,
  packBytes,
  packLongs,
  packShorts,
  packTexts,
  readBool,
  readNumber,
  readNumbers,
  readText,
} from './wire/arrays.ts'
import { enqueueCall, packGroups } from './wire/enqueue.ts'
import { packJob, readPayload, unpackJob } from './wire/records.ts'

/** Lines of a log that one call answers. */
const MAX_LINES = 1_000
/** Times beyond what a clock can show bound nothing. */
const LAST_TIME = 2 ** 46

// ── queues and limits ────────────────────────────────────────────────────────────────────────────────────────────

const LETTERS = { queue: 'q', task: 't', partition: 'p' } as const

export async function queues(space: Space): Promise<QueueInfo[]> {
  const [rows, rules] = await Promise.all([
    callRows(space, { name: 'read_queues', types: [] }, []),
    limits(space),
  ])
  const inForce = new Map<string, Limit>()
  for (const { scope, source, limit } of rules) {
    const key = `${LETTERS[scope.kind]}${nameOf(scope)}`
    if (limit !== null && (source === 'set' || !inForce.has(key))) inForce.set(key, limit)
  }
  return rows.map(([name, paused, ...counts]) => {
    const queue = readText(name) ?? ''
    const [blocked = 0, scheduled = 0, ready = 0, active = 0, succeeded = 0, failed = 0, cancelled = 0] =
      counts.map((count) => readNumber(count) ?? 0)
    const limit = inForce.get(`q${queue}`)
    const partitionLimit = inForce.get(`p${queue}`)
    return {
      queue,
      paused: readBool(paused),
      counts: { blocked, scheduled, ready, active, succeeded, failed, cancelled },
      ...(limit === undefined ? {} : { limit }),
      ...(partitionLimit === undefined ? {} : { partitionLimit }),
    }
  })
}

export async function pause(space: Space, queue: string, paused: boolean): Promise<void> {
  await call(space, { name: 'pause_queue', types: ['text', 'boolean'] }, [queue, paused ? 't' : 'f'])
}

const limitCall = {
  name: 'set_limits',
  types: ['text[]', 'text[]', 'smallint[]', 'boolean[]', 'bigint[]', 'bigint[]', 'bigint[]'],
}

export async function limit(space: Space, rules: readonly LimitRule[]): Promise<void> {
  if (rules.length === 0) return
  await call(space, limitCall, [
    packTexts(rules.map(({ scope }) => LETTERS[scope.kind])),
    packTexts(rules.map(({ scope }) => nameOf(scope))),
    packShorts(rules.map(({ source }) => (source === 'set' ? 1 : 0))),
    packBools(rules.map(({ limit: wanted }) => wanted === null)),
    packLongs(rules.map(({ limit: wanted }) => wanted?.concurrency)),
    packLongs(rules.map(({ limit: wanted }) => wanted?.rate?.count)),
    packLongs(rules.map(({ limit: wanted }) => wanted?.rate?.perMs)),
  ])
}

export async function limits(space: Space): Promise<LimitRule[]> {
  const rows = await callRows(space, { name: 'read_rules', types: [] }, [])
  return rows.map(([letter, name, source, ...numbers]) => {
    const [concurrency, count, perMs] = numbers.map((number) => readNumber(number))
    return {
      scope: scopeOf(readText(letter), readText(name) ?? ''),
      source: readNumber(source) === 1 ? 'set' : 'declared',
      limit: {
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(count === undefined || perMs === undefined ? {} : { rate: { count, perMs } }),
      },
    }
  })
}

function nameOf(scope: LimitScope): string {
  return scope.kind === 'task' ? scope.task : scope.queue
}

function scopeOf(letter: string | undefined, name: string): LimitScope {
  if (letter === LETTERS.task) return { kind: 'task', task: name }
  return { kind: letter === LETTERS.queue ? 'queue' : 'partition', queue: name }
}

export async function publish(space: Space, workflow: string): Promise<boolean> {
  const [published] = await call(space, { name: 'publish_workflow', types: ['text'] }, [workflow])
  return readBool(published)
}

// ── workers and schedules ────────────────────────────────────────────────────────────────────────────────────────

export async function beat(space: Space, worker: Omit<WorkerInfo, 'seenAt'>, ttlMs: number): Promise<void> {
  const values = [worker.id, JSON.stringify(worker), String(Math.round(ttlMs))]
  await call(space, { name: 'beat', types: ['text', 'text', 'bigint'] }, values)
}

export async function leave(space: Space, worker: string): Promise<void> {
  await call(space, { name: 'leave', types: ['text'] }, [worker])
}

export async function workers(space: Space): Promise<WorkerInfo[]> {
  const rows = await callRows(space, { name: 'read_workers', types: [] }, [])
  return rows.map(([body, seenAt]) => ({
    ...(JSON.parse(readText(body) ?? '') as Omit<WorkerInfo, 'seenAt'>),
    seenAt: readNumber(seenAt) ?? 0,
  }))
}

const putCall = { name: 'put_schedule', types: ['text', 'text', 'bytea', 'bigint', 'bigint', 'boolean'] }

export async function putSchedule(space: Space, schedule: Schedule): Promise<void> {
  const { id, rule, job, nextAt, lastAt, paused } = schedule
  const times = [String(nextAt), lastAt === undefined ? null : String(lastAt)]
  await call(space, putCall, [id, sortedJson(rule), packJob(job), ...times, paused ? 't' : 'f'])
}

export async function schedules(space: Space): Promise<Schedule[]> {
  const rows = await callRows(space, { name: 'read_schedules', types: [] }, [])
  return rows.map(([id, rule, job, nextAt, lastAt, paused]) => ({
    id: readText(id) ?? '',
    rule: JSON.parse(readText(rule) ?? '') as Schedule['rule'],
    job: unpackJob(job ?? Buffer.alloc(4)),
    nextAt: readNumber(nextAt) ?? 0,
    paused: readBool(paused),
    ...(lastAt === null ? {} : { lastAt: readNumber(lastAt) }),
  }))
}

export async function removeSchedule(space: Space, id: string): Promise<boolean> {
  const [removed] = await call(space, { name: 'remove_schedule', types: ['text'] }, [id])
  return readBool(removed)
}

const tickCall = { name: 'tick_schedule', types: ['text', 'bigint', 'bigint'] }
/** Nothing is enqueued where somebody else has moved the schedule on. */
const FIRE = {
  name: 'fire_schedule',
  text: (schema: string): string => {
    const specs = enqueueCall.types.map((type, i) => `$${i + 4}::${type}`).join(', ')
    return `SELECT t.fired, CASE WHEN t.fired THEN (${schema}.enqueue_jobs(${specs})).now END FROM ${schema}.tick_schedule($1::text, $2::bigint, $3::bigint) t(fired)`
  },
}

export async function fire(
  space: Space,
  tick: { schedule: string; tick: number; nextAt: number; job?: JobSpec | undefined },
): Promise<boolean> {
  const { job } = tick
  const times = [tick.schedule, String(tick.tick), String(tick.nextAt)]
  const row =
    job === undefined
      ? await call(space, tickCall, times)
      : await select(space, FIRE, [...times, ...packGroups([[job]], [job.queue])])
  return readBool(row[0])
}

/** The same text for the same rule, whatever the order of its fields. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

// ── what attempts write ──────────────────────────────────────────────────────────────────────────────────────────

const NOTES: { readonly [K in Note['kind']]: number } = { progress: 0, log: 1, step: 2 }
const writeCall = {
  name: 'write_notes',
  types: ['text[]', 'bigint[]', 'smallint[]', 'text[]', 'smallint[]', 'bytea[]', 'bytea[]', 'integer'],
}

export async function write(space: Space, notes: readonly Note[]): Promise<('ok' | 'lost')[]> {
  const [lost] = await call(space, writeCall, [
    packTexts(notes.map(({ id }) => id)),
    packLongs(notes.map(({ token }) => token)),
    packShorts(notes.map(({ kind }) => NOTES[kind])),
    packTexts(notes.map((note) => (note.kind === 'log' ? note.level : undefined))),
    packShorts(notes.map((note) => (note.kind === 'log' ? undefined : note.value.codec))),
    packBytes(notes.map(textOf)),
    packBytes(notes.map((note) => (note.kind === 'log' ? undefined : note.value.bytes))),
    String(bounds.logLines),
  ])
  const answers = notes.map((): 'ok' | 'lost' => 'ok')
  for (const n of readNumbers(lost)) answers[(n ?? 1) - 1] = 'lost'
  return answers
}

/** As bytes: what a handler writes may hold NUL, which a text of PostgreSQL cannot. */
function textOf(note: Note): Uint8Array | undefined {
  if (note.kind === 'progress') return undefined
  return Buffer.from(note.kind === 'log' ? note.text : note.name)
}

const logsCall = { name: 'read_logs', types: ['text', 'bigint', 'integer'] }

export async function logs(space: Space, id: string, afterSeq = 0): Promise<LogLine[]> {
  const rows = await callRows(space, logsCall, [id, String(Math.floor(afterSeq)), String(MAX_LINES)])
  return rows.map(([seq, at, token, level, text]) => ({
    seq: readNumber(seq) ?? 0,
    at: readNumber(at) ?? 0,
    token: readNumber(token) ?? 0,
    level: (readText(level) ?? 'info') as LogLevel,
    text: readText(text) ?? '',
  }))
}

export async function steps(space: Space, id: string): Promise<Step[]> {
  const rows = await callRows(space, { name: 'read_steps', types: ['text'] }, [id])
  return rows.map(([name, at, codec, value]) => ({
    name: readText(name) ?? '',
    at: readNumber(at) ?? 0,
    value: readPayload(codec, value) ?? { codec: 0, bytes: new Uint8Array(0) },
  }))
}

// ── listeners and counters ───────────────────────────────────────────────────────────────────────────────────────

const listenCall = { name: 'listen_until', types: ['text', 'bigint'] }

/** Events are published while somebody listens. */
export async function listenUntil(space: Space, id: string, ttlMs: number): Promise<void> {
  await call(space, listenCall, [id, String(Math.round(ttlMs))])
}

export async function unlisten(space: Space, id: string): Promise<void> {
  await call(space, listenCall, [id, '0'])
}

export async function counters(space: Space, fromAt: number, toAt: number): Promise<CounterRow[]> {
  const values = [fromAt, toAt].map((at) => String(Math.ceil(Math.max(0, Math.min(LAST_TIME, at)))))
  const rows = await callRows(space, { name: 'read_minutes', types: ['bigint', 'bigint'] }, values)
  return rows.map(readCounters)
}

function readCounters([minuteAt, queue, task, ...sums]: Row): CounterRow {
  const [enqueued = 0, succeeded = 0, retried = 0, failed = 0, cancelled = 0, crashed = 0, ranMs = 0] =
    sums.map((sum) => readNumber(sum) ?? 0)
  return {
    minuteAt: readNumber(minuteAt) ?? 0,
    queue: readText(queue) ?? '',
    task: readText(task) ?? '',
    ...{ enqueued, succeeded, retried, failed, cancelled, crashed, ranMs },
  }
}
