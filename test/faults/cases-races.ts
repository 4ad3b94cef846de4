// People who steer jobs while workers run them and die: cancel, retry, remove, pause and resume against claim, outcome and
// crash. Whatever comes first, each job is in one state that the docs know, and what was answered holds.
import { expect } from 'vitest'
import type { Broker } from '../../src/index.ts'
import { mulberry } from '../support/random.ts'
import { finalOf } from './final.ts'
import type { Process } from './fleet.ts'
import { only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'
import { lasting } from './time.ts'

const LEASE_MS = 1_000
const STEERED_MS = 8_000
const KILL_EVERY_MS = 1_500
const PAUSED_MS = 200
const AT_ONCE = 6
/** Why a job may have ended in a state. */
const REASONS: { readonly [state: string]: readonly (string | undefined)[] } = {
  succeeded: [undefined],
  failed: ['attempts-exhausted', 'crashes-exhausted'],
  cancelled: ['by-request'],
}

export const raceCases: readonly FaultCase[] = [
  {
    title:
      'F44: cancel, retry, pause and remove race with run and crash: each job is in one documented state',
    timeoutMs: 120_000,
    run: races,
  },
]

/** What was last answered of each job. */
type Said = Map<string, 'cancelled' | 'removed' | 'revived'>

async function races(arena: Arena): Promise<void> {
  const { fleet, say, atEnd } = arena
  const seed = Number(process.env.OFFSTAGE_SEED ?? Math.floor(Math.random() * 2 ** 31))
  say(`seed ${seed} (OFFSTAGE_SEED repeats it)`)
  const random = mulberry(seed)
  const start = (): Promise<Process> => fleet.worker({ concurrency: 8, lease: LEASE_MS })
  const workers = await Promise.all([start(), start()])
  const shares = { failing: 0.1, delayed: 0.2, limited: 0.1, parted: 0.1 }
  const producer = await fleet.producer({
    ...shares,
    seed,
    prefix: 'job',
    count: 1_000,
    workMs: 60,
    perSecond: 120,
  })
  const broker = await fleet.open()
  atEnd(() => broker.close())
  const said: Said = new Map()
  const endsAt = Date.now() + STEERED_MS
  const killing = (async () => {
    while (Date.now() < endsAt) {
      await lasting(KILL_EVERY_MS)
      const victim = workers.splice(Math.floor(random() * workers.length), 1)[0]
      if (victim !== undefined) fleet.fault('kill', victim)
      workers.push(await start())
    }
  })()
  const calls = await steer(arena, broker, { said, random, endsAt })
  await Promise.all([killing, producer.ended])
  await fleet.drained()
  // Whatever was freed is free: as many run at once again as the limits allow.
  await fleet.enqueue({ seed, prefix: 'after', count: 12, limited: 0.5, parted: 0.5 })
  await fleet.drained()
  expect(await fleet.stop()).toEqual([0, 0])
  say(`${calls} calls: ${JSON.stringify(countOf(said))}`)
  await each(arena, broker, said)
}

async function steer(
  { fleet }: Arena,
  broker: Broker,
  { said, random, endsAt }: { readonly said: Said; readonly random: () => number; readonly endsAt: number },
): Promise<number> {
  let calls = 0
  while (Date.now() < endsAt) {
    const known = only(fleet.history, 'accepted')
    // Those that came lately, which wait, run, or have just ended.
    const recent = known.slice(-80)
    const pick = (): string => recent[Math.floor(random() * recent.length)]?.id ?? 'nobody'
    const ids = [...new Set(Array.from({ length: AT_ONCE }, pick))]
    const kind = random()
    calls += 1
    if (kind < 0.5) for (const id of (await broker.cancel({ ids })).done) said.set(id, 'cancelled')
    else if (kind < 0.7) for (const id of (await broker.remove({ ids })).done) said.set(id, 'removed')
    else if (kind < 0.85) for (const id of (await broker.retry({ ids })).done) said.set(id, 'revived')
    else if (kind < 0.95) await broker.promote({ ids })
    else {
      await broker.pause('default', true)
      await lasting(PAUSED_MS)
      await broker.pause('default', false)
    }
    await lasting(10)
  }
  return calls
}

async function each({ fleet }: Arena, broker: Broker, said: Said): Promise<void> {
  const { jobs, counts } = await finalOf(broker)
  const found = new Map(jobs.map((job) => [job.id, job]))
  const ran = new Set(only(fleet.history, 'run').map(({ id }) => id))
  const wrong: string[] = []
  for (const { id } of only(fleet.history, 'accepted')) {
    const job = found.get(id)
    const last = said.get(id)
    if (last === 'removed') {
      if (job !== undefined) wrong.push(`${id} was removed and is ${job.state}`)
      continue
    }
    if (job === undefined) wrong.push(`${id} is gone, and was last ${last ?? 'left alone'}`)
    else if (!REASONS[job.state]?.includes(job.reason)) wrong.push(`${id} is ${job.state}, ${job.reason}`)
    else if (job.state === 'succeeded' && !ran.has(id)) wrong.push(`${id} succeeded and never ran`)
    else if (job.state === 'cancelled' && last !== 'cancelled') wrong.push(`${id} is cancelled by nobody`)
    else if (job.state === 'failed' && last === 'cancelled') wrong.push(`${id} failed after its cancel`)
  }
  expect(wrong).toEqual([])
  const states: Record<string, number> = {}
  for (const { state } of jobs) states[state] = (states[state] ?? 0) + 1
  for (const [state, count] of Object.entries(counts))
    expect([state, count]).toEqual([state, states[state] ?? 0])
  expect(only(fleet.history, 'trouble')).toEqual([])
}

function countOf(said: Said): { readonly [what: string]: number } {
  const counts: { [what: string]: number } = {}
  for (const what of said.values()) counts[what] = (counts[what] ?? 0) + 1
  return counts
}
