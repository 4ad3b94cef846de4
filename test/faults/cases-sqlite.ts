// Faults that only SQLite has: a file that somebody else keeps locked, the file beside it gone, a disk without room.
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { type Engine, pickEngine } from '../../src/brokers/sqlite/engine.ts'
import { endAll, goesOn, steady } from './cases-network.ts'
import { idler, picksUp } from './cases-reconnect.ts'
import { ended, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { lasting } from './time.ts'

const LOCKED_MS = 8_000
const ROUNDS = 3
const FULL_MS = 3_000
const BLOCK_BYTES = 65_536

const engine = await pickEngine()
const fileOf = ({ fleet }: Arena): string => fleet.broker.slice('sqlite:'.length)

export const sqliteCases: readonly FaultCase[] = [
  {
    title:
      'F13: a file that somebody keeps locked for eight seconds: an idle and a busy worker go on after it',
    timeoutMs: 90_000,
    async run(arena) {
      const { fleet, watch, verdict } = arena
      await idler(arena, fleet.broker)
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer(steady('busy'))
      await fleet.until('it is busy', (history) => ended(history) > 50)
      const at = await locked(arena, engine)
      await picksUp(arena, 1, at, 'after a lock')
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      await verdict({ mayRefuse: true })
    },
  },
  {
    title: 'F13: the file that wakes others is removed again and again: an idle worker is woken nevertheless',
    async run(arena) {
      const { fleet, verdict } = arena
      await idler(arena, fleet.broker)
      for (let round = 1; round <= ROUNDS; round += 1) {
        const at = Date.now()
        rmSync(`${fileOf(arena)}-wake`)
        await picksUp(arena, round, at, 'without the file that wakes')
      }
      await fleet.drained()
      expect(await fleet.stop()).toEqual([0])
      await verdict()
    },
  },
]

/** On a small disk of its own. */
export const fullDiskCases: readonly FaultCase[] = [
  {
    title: 'F26: the disk is full, then there is room: enqueue is refused, and all goes on by itself',
    timeoutMs: 90_000,
    async run(arena) {
      const { fleet, say, watch, verdict } = arena
      const ballast = join(dirname(fileOf(arena)), 'ballast')
      arena.atEnd(() => rmSync(ballast, { force: true }))
      const worker = await fleet.worker({ concurrency: 4, lease: LEASE_MS })
      const producer = await fleet.producer({ ...steady('busy'), maxBytes: 20_000 })
      await fleet.until('it is busy', (history) => ended(history) > 50)
      fleet.outage('the disk is full', { long: true })
      fill(ballast)
      const refused = await fleet.until('an enqueue is refused', (history) => only(history, 'refused')[0])
      expect(refused.code).toBe('STORE_FULL')
      await lasting(FULL_MS)
      rmSync(ballast)
      const at = fleet.outage('there is room', { long: true })
      await goesOn({ fleet, watch }, { at, boundMs: 2_000, worker, producer })
      await endAll(fleet, producer)
      say(`${only(fleet.history, 'refused').length} enqueues were refused`)
      await verdict({ mayRefuse: true })
    },
  },
]

async function locked(arena: Arena, { open }: Engine): Promise<number> {
  const { fleet } = arena
  const db = open(fileOf(arena))
  try {
    db.exec('PRAGMA busy_timeout = 10000')
    db.exec('BEGIN IMMEDIATE')
    fleet.outage('the file is locked', { long: true })
    await lasting(LOCKED_MS)
    db.exec('ROLLBACK')
    return fleet.outage('the lock is gone', { long: true })
  } finally {
    db.close()
  }
}

/** Takes what is left of a disk. */
function fill(path: string): void {
  const block = new Uint8Array(BLOCK_BYTES)
  try {
    for (;;) writeFileSync(path, block, { flag: 'a' })
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  }
}
