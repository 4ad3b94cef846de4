// Groups of jobs on their way to `lua/enqueue.lua`, and its answer.
import type { EnqueuedJob, GroupAnswer } from '../../../broker/contract.ts'
import { defaultMaxCrashes, defaultPriority, defaultRetention } from '../../../job/defaults.ts'
import { type JobSpec, packRare } from '../../../job/record.ts'
import { ByteWriter } from './bytes.ts'
import { unpackId, writeId } from './ids.ts'
import { SPEC_FLAG } from './layout.ts'

/** Of the records, as `lua/lib-record.lua` reads them. */
const LAYOUT = 1
const DEFAULTS = { retention: defaultRetention, maxCrashes: defaultMaxCrashes }

/** The arguments of the script. */
export function packGroups(groups: readonly (readonly JobSpec[])[]): (string | Buffer)[] {
  const writer = new ByteWriter()
  const kinds = new Map<string, number>()
  writer.u32(groups.length)
  for (const group of groups) {
    writer.u32(group.length)
    for (const spec of group) writeJob(writer, spec, kindIndex(kinds, spec))
  }
  return [writer.take(), ...kinds.keys()]
}

function kindIndex(kinds: Map<string, number>, { queue, task }: JobSpec): number {
  const text = `${queue}\n${task}`
  let index = kinds.get(text)
  if (index === undefined) {
    index = kinds.size + 1
    kinds.set(text, index)
  }
  return index
}

function writeJob(writer: ByteWriter, spec: JobSpec, kind: number): void {
  const rare = packRare(spec, DEFAULTS)
  const linked = rare !== null && isLinked(spec)
  const flags = flagsOf(spec, linked, rare !== null)
  if ((flags & ~SPEC_FLAG.rare) === 0 && spec.priority === defaultPriority) {
    writer.u8(1)
    writeId(writer, spec.id)
    writer.u16(kind)
    writer.sized32(() => {
      writer.u8(LAYOUT)
      writer.u16(flags)
      writer.u8(spec.priority)
      writer.u8(spec.input.codec)
      if (rare !== null) writer.text32(rare)
      writer.raw(spec.input.bytes)
    })
    return
  }
  writer.u8(0)
  writeId(writer, spec.id)
  writer.u16(kind)
  writer.u8(spec.priority)
  writer.u8(spec.input.codec)
  writer.u16(flags)
  writer.f64(spec.runAt ?? spec.delayMs ?? 0)
  writer.f64(spec.expiresInMs ?? 0)
  writer.sized32(() => {
    if (spec.version !== undefined) writer.u16(spec.version)
    if (spec.partition !== undefined) writer.text16(spec.partition)
    if (linked) writer.sized32(() => writeLinks(writer, spec))
    if (rare !== null) writer.text32(rare)
    writer.raw(spec.input.bytes)
  })
}

function isLinked(spec: JobSpec): boolean {
  return (
    spec.unique !== undefined ||
    spec.workflow !== undefined ||
    spec.search !== undefined ||
    spec.after !== undefined ||
    hasOwnEnd(spec)
  )
}

/** Retention or number of crashes other than the defaults. */
function hasOwnEnd({ retention, maxCrashes }: JobSpec): boolean {
  const { succeededMs, failedMs, cancelledMs } = defaultRetention
  return (
    retention.succeededMs !== succeededMs ||
    retention.failedMs !== failedMs ||
    retention.cancelledMs !== cancelledMs ||
    maxCrashes !== defaultMaxCrashes
  )
}

function flagsOf(spec: JobSpec, linked: boolean, rare: boolean): number {
  let flags = linked ? SPEC_FLAG.links : 0
  if (rare) flags |= SPEC_FLAG.rare
  if (spec.runAt !== undefined) flags |= SPEC_FLAG.runAt
  else if (spec.delayMs !== undefined && spec.delayMs > 0) flags |= SPEC_FLAG.runAt | SPEC_FLAG.delay
  if (spec.expiresInMs !== undefined) flags |= SPEC_FLAG.expires
  if (spec.version !== undefined) flags |= SPEC_FLAG.versioned
  if (spec.partition !== undefined) flags |= SPEC_FLAG.partition
  if (spec.unique?.onConflict === 'replace') flags |= SPEC_FLAG.replaces
  return flags
}

/** What the scripts themselves need of the rare fields; a unique key stands first. */
function writeLinks(writer: ByteWriter, spec: JobSpec): void {
  const { unique, workflow, search, after, retention } = spec
  const letter = (text: string): void => writer.u8(text.charCodeAt(0))
  if (unique !== undefined) {
    letter('u')
    writer.u8(unique.during === 'waiting' ? 2 : 1)
    writer.text16(unique.key)
  }
  if (workflow !== undefined) {
    letter('w')
    writer.u8(spec.staged === true ? 1 : 0)
    writer.text16(workflow)
  }
  if (search !== undefined) {
    const fields = Object.entries(search)
    letter('s')
    writer.u8(fields.length)
    for (const [field, value] of fields) {
      writer.text16(field)
      writer.text16(value)
    }
  }
  if (after !== undefined) {
    letter('a')
    writer.u16(after.length)
    for (const { id, when } of after) {
      writer.u8(when === 'succeeded' ? 1 : 2)
      writeId(writer, id)
    }
  }
  if (hasOwnEnd(spec)) {
    letter('r')
    writer.u56(retention.succeededMs)
    writer.u56(retention.failedMs)
    writer.u56(retention.cancelledMs)
    writer.u16(Math.min(spec.maxCrashes, 65_535))
  }
}

const CODE = { e: 101, i: 105, u: 117 } as const

/** @param reply `{ letters, extras }` of the script */
export function readGroups(groups: readonly (readonly JobSpec[])[], reply: unknown): GroupAnswer[] {
  const [letters, extras] = reply as [Buffer, Buffer[]]
  if (letters.length === 0)
    return groups.map((group) => ({ ok: true, jobs: group.map(({ id }) => ({ status: 'enqueued', id })) }))
  let at = 0
  let extra = 0
  const next = (): Buffer => extras[extra++] ?? Buffer.alloc(0)
  return groups.map((group) => {
    const jobs: EnqueuedJob[] = []
    for (const [index, { id }] of group.entries()) {
      const letter = letters[at + index]
      if (letter === CODE.e) jobs.push({ status: 'enqueued', id })
      else if (letter === CODE.i) jobs.push({ status: 'duplicate', id, by: 'id' })
      else if (letter === CODE.u) jobs.push({ status: 'duplicate', id: unpackId(next()), by: 'unique' })
      else {
        at += group.length
        return refusal(group, next().toString(), unpackId(next()), next())
      }
    }
    at += group.length
    return { ok: true, jobs }
  })
}

function refusal(group: readonly JobSpec[], code: string, id: string, other: Buffer): GroupAnswer {
  if (code === 'ID_TAKEN') {
    const wanted = group.find((spec) => spec.id === id && spec.task !== other.toString())?.task
    const message = `the id '${id}' belongs to a job of task '${other.toString()}', so a job of '${wanted}' cannot have it`
    return { ok: false, code, id, message }
  }
  const message = `job '${id}' is to run after '${unpackId(other)}', and no such job is kept`
  return { ok: false, code: 'DEPENDENCY_MISSING', id, message }
}
