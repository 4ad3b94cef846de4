// Does to a world what its nature says: each action picks its victim and its measure by chance.
import { isEnded } from '../../src/job/states.ts'
import { TASKS } from './jobs.ts'
import type { Line } from './line.ts'
import { type Action, planOf, type WorkerPlan } from './nature.ts'
import type { Surroundings, WorkerProcess } from './process.ts'
import type { ProcessClock } from './time.ts'

export interface Deal extends Surroundings {
  readonly processes: readonly WorkerProcess[]
  readonly brokerClock: ProcessClock
  readonly producer: Line
  /** All faults have ceased. */
  readonly calm: () => boolean
  readonly start: (plan: WorkerPlan) => void
  readonly enqueue: () => void
}

const HOUR_MS = 3_600_000
const MAX_WORKERS = 4

const DEALS: { readonly [A in Action]: (world: Deal) => void } = {
  enqueue: (world) => world.enqueue(),
  kill: (world) => oneOf(world)?.kill(),
  freeze: (world) => {
    const process = oneOf(world)
    process?.freeze(world.random.between(50, 2.5 * Math.min(process.plan.options.lease, 5_000)))
  },
  cut: (world) => {
    const process = oneOf(world)
    if (process !== undefined) cut(world, [process.line])
  },
  outage: (world) => cut(world, [world.producer, ...world.processes.map(({ line }) => line)]),
  'wall clock': (world) => {
    const process = oneOf(world)
    if (process === undefined) return
    process.clock.offMs += world.random.between(-HOUR_MS, HOUR_MS)
    done(world, 'wall clock', process.name)
  },
  'broker clock': (world) => {
    const ms = world.random.between(-3_000, 6_000)
    world.brokerClock.offMs += ms
    // Leases may have ended before their holders can know.
    for (const { conduct } of world.processes) conduct.excused = true
    done(world, 'broker clock', ms)
  },
  cancel: (world) => steer('cancel', world),
  pause,
  retry: (world) => steer('retry', world),
  promote: (world) => steer('promote', world),
  remove: (world) => steer('remove', world),
  stop,
  start: (world) => {
    if (alive(world).length < MAX_WORKERS) world.start(planOf(world.random))
  },
}

export function deal(action: Action, world: Deal): void {
  DEALS[action](world)
}

function pause(world: Deal): void {
  const { random, door, time } = world
  const queue = random.pick(Object.values(TASKS))
  done(world, 'pause', queue)
  void door.pause(queue, true)
  time.after(random.between(0, 5_000), () => world.calm() || void door.pause(queue, false))
}

/** What people do to jobs. */
function steer(action: 'cancel' | 'retry' | 'promote' | 'remove', world: Deal): void {
  const { random, ledger, door } = world
  const jobs = [...ledger.jobs.values()].filter(
    ({ stored, removed, state, spec }) =>
      stored &&
      !removed &&
      (action === 'retry') === isEnded(state) &&
      // What waits for a job that is removed is let go; that is another story.
      (action !== 'remove' || spec.after === undefined),
  )
  if (jobs.length === 0) return
  const { id } = random.pick(jobs).spec
  done(world, action, id)
  void door[action]({ ids: [id] })
}

function cut(world: Deal, lines: readonly Line[]): void {
  const { random, time } = world
  const how = random.pick(['refuses', 'swallows'] as const)
  const ms = random.between(50, 8_000)
  done(world, lines.length === 1 ? 'cut' : 'outage', how, ms)
  for (const line of lines) line.cut = how
  time.after(ms, () => {
    for (const line of lines) line.cut = undefined
  })
}

function stop(world: Deal): void {
  const { random, time } = world
  const process = oneOf(world)
  if (process === undefined) return
  world.history.deal('stop')
  if (random.chance(0.7) && alive(world).length < MAX_WORKERS) world.start(planOf(random))
  time.after(0, () => process.stop(process.plan.options.grace), process.life)
  if (random.chance(0.2)) time.after(random.between(0, 500), () => process.stop(0), process.life)
}

function alive({ processes }: Deal): WorkerProcess[] {
  return processes.filter(({ state }) => state === 'up' || state === 'starting')
}

function oneOf(world: Deal): WorkerProcess | undefined {
  const list = alive(world)
  return list.length === 0 ? undefined : world.random.pick(list)
}

function done({ history }: Deal, what: string, ...facts: (string | number)[]): void {
  history.deal(what)
  history.add('director', what, ...facts)
}
