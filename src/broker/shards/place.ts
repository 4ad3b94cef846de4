// Where a job of a namespace with several shards lives. The shard is told from the id alone, and what belongs together
// (unique key, partition, workflow) has a home, so that it shares one. Pure.
//
// What counts of an id or a key is its anchor: what stands in its first braces, by the rule of Redis Cluster, or else
// all of it. The shard of an anchor is its CRC16 modulo the number of shards. The anchor of a generated id (a UUID of
// version 7) is spread by its last four hex digits instead: they are random, and can be rewritten to place the id.
import { bounds } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'

/** More shards than that cost an idle worker more than a cluster gives it. */
export const MAX_SHARDS = 64

export interface Placement {
  readonly shards: number
  /** The shard of a job by its id; also of a workflow. */
  shardOf(id: string): number
  /** The id that a job with a generated id has to have, so that it lives where it belongs: the same for the same spec. */
  place(spec: JobSpec): string
  /** An id as `newId` makes them. */
  generated(id: string): boolean
  /** Why the job cannot be stored under its id; undefined where it can. */
  refusal(spec: JobSpec): string | undefined
}

/** @param shards 1 to MAX_SHARDS */
export function placement(shards: number): Placement {
  return {
    shards,
    shardOf: (id) => shardOf(id, shards),
    generated: (id) => UUID_V7.test(id),
    place: (spec) => (shards === 1 ? spec.id : place(spec, shards)),
    refusal: (spec) => (shards === 1 ? undefined : refusal(spec, shards)),
  }
}

export function shardOf(id: string, shards: number): number {
  const anchor = anchorOf(id)
  const number = UUID_V7.test(anchor) ? Number.parseInt(anchor.slice(-4), 16) : crc16(anchor)
  return number % shards
}

/** What stands in the first braces, where that is not empty, or else the whole text. */
export function anchorOf(text: string): string {
  const from = text.indexOf('{') + 1
  if (from === 0) return text
  const to = text.indexOf('}', from)
  return to <= from ? text : text.slice(from, to)
}

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

interface Home {
  readonly what: string
  readonly anchor: string
}

/** What a job belongs to. All of it has to have the same anchor. */
function homesOf({ workflow, unique, partition, task }: JobSpec): Home[] {
  const homes: Home[] = []
  if (workflow !== undefined) homes.push({ what: 'workflow', anchor: anchorOf(workflow) })
  if (unique !== undefined) {
    // A key carries the name of its task, which its user did not write and cannot put in braces.
    const { key } = unique
    const own = key.startsWith(`${task}/`) ? key.slice(task.length + 1) : key
    homes.push({ what: 'unique key', anchor: anchorOf(own) })
  }
  if (partition !== undefined) homes.push({ what: 'partition', anchor: anchorOf(partition) })
  return homes
}

function place(spec: JobSpec, shards: number): string {
  const { id } = spec
  const anchor = homesOf(spec)[0]?.anchor
  if (anchor === undefined) return id
  if (UUID_V7.test(id)) return rewrite(id, shardOf(anchor, shards), shards)
  // Ids that are made of something, such as a schedule and a tick, carry the anchor.
  const carrying = `${id}{${anchor}}`
  const fits = Buffer.byteLength(carrying) <= bounds.key && anchorOf(carrying) === anchor
  return anchorOf(id) !== anchor && fits ? carrying : id
}

/** A generated id in a shard: its last four digits become the nearest number of that shard. */
function rewrite(id: string, shard: number, shards: number): string {
  const low = Number.parseInt(id.slice(-4), 16)
  const nearest = low - (low % shards) + shard
  const placed = nearest > 0xffff ? nearest - shards : nearest
  return placed === low ? id : id.slice(0, -4) + placed.toString(16).padStart(4, '0')
}

/**
 * Anchors are compared as text and not by their shards: else a mistake would go unseen as often as two keys fall into
 * the same shard by chance, and a program that passed its tests would fail with other data or more shards.
 */
function refusal(spec: JobSpec, shards: number): string | undefined {
  const [first, ...others] = homesOf(spec)
  if (first === undefined) return undefined
  const stranger = others.find(({ anchor }) => anchor !== first.anchor)
  if (stranger !== undefined) {
    return `job '${spec.id}' belongs to ${first.what} '${first.anchor}' and to ${stranger.what} '${stranger.anchor}', which may live in different shards; ${ADVICE}`
  }
  const fits = UUID_V7.test(spec.id)
    ? shardOf(spec.id, shards) === shardOf(first.anchor, shards)
    : anchorOf(spec.id) === first.anchor
  if (fits) return undefined
  return `the id '${spec.id}' may live in another shard than the job's ${first.what} '${first.anchor}'; ${ADVICE}, or leave the id out`
}

const ADVICE = 'put the same text in braces into each of them, as in order-{customer-7}-42'

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  return crc
})

/** CRC-16/XMODEM over UTF-8: the hash of Redis Cluster, so that CLUSTER KEYSLOT tells a shard where 16,384 % shards is 0. */
export function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] as number)
  }
  return crc
}
