// F52: the suite is checked. A short soak in this process, with real workers on a broker that is broken in one way, must
// leave a history that the checker refuses, and by the rule for that way. On the honest broker it must pass.
import { describe, expect, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'
import { type App, offstage, type TaskContext } from '../../src/index.ts'
import { json, spec } from '../../src/laws/factories.ts'
import { subscribe } from '../../src/runtime/channels.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { brokenBrokers, wrap } from '../support/broken-brokers.ts'
import { check, type Verdict } from './checker.ts'
import { finalOf, unfinished } from './final.ts'
import type { Entry, Event } from './history.ts'
import type { Input } from './plan.ts'
import { only } from './reading.ts'
import { hashOf, LIMITS, produce, tasksOf } from './tasks.ts'
import { inTime, lasting, until } from './time.ts'

const LEASE_MS = 1_000
const WORKERS = 3
const JOBS = 250
const KILLS = 3
const KILL_EVERY_MS = 150
/** For so long one is stopped: its jobs are taken back and begun elsewhere. */
const STOPPED_MS = LEASE_MS + 1_200
const LONG_MS = 5_000
/** A broken broker may never drain. */
const DRAIN_MS = 8_000
const FOLLOWERS = 10
/** Long jobs at once. */
const BUSY = 3

/** What each of them is found by. Those of `broken-brokers.ts` that a history can tell. */
const FOUND: { readonly [fault: string]: RegExp } = {
  'forgets every seventh job': /lost: .* is gone/,
  'settles without a look at the token': /ended with the old token|ended \d times/,
  'hands out jobs without a lease': /duplicate runs, but only/,
  'never takes a job back from a dead worker': /still active after the drain/,
  'loses what follows from an outcome': /still (blocked|scheduled) after the drain/,
  'gives one slot too many': /at once, where \d are allowed/,
  'knows no unique keys': /lived at once, both with the key/,
  'begins again with its tokens when an id was removed': /token \d+ was given for/,
  'hands out jobs with the inputs of others': /with another input/,
  'hands out jobs before their time': /ms before its time/,
}

/** At each claim, and for all that waits, so that it is seen on a machine that is busy too. */
const early = {
  fault: 'hands out jobs before their time',
  breaks: (honest: Broker): Partial<Broker> => {
    const promoteAll = async (): Promise<void> => {
      const { jobs } = await honest.list({ states: ['scheduled'], limit: 1_000 })
      await honest.promote({ ids: jobs.map(({ id }) => id) })
    }
    return {
      reserve: async (request) => {
        await promoteAll()
        return honest.reserve(request)
      },
      settle: async (request) => {
        await promoteAll()
        return honest.settle(request)
      },
    }
  },
}

/** And one that only a history can tell. */
const mixesUp = {
  fault: 'hands out jobs with the inputs of others',
  breaks: (honest: Broker): Partial<Broker> => ({
    reserve: async (request) => {
      const reserved = await honest.reserve(request)
      const { jobs } = reserved
      const others = jobs.map((job, i) => ({ ...job, input: (jobs[i + 1] ?? jobs[0] ?? job).input }))
      return { ...reserved, jobs: others }
    },
  }),
}

describe('the checker refuses the history of a broker that', () => {
  const known = brokenBrokers.filter(({ fault }) => Object.hasOwn(FOUND, fault))
  const broken = [...known, early, mixesUp]

  test('is one of these eight, or one of more', () => {
    expect(broken.map(({ fault }) => fault).sort()).toEqual(Object.keys(FOUND).sort())
    expect(broken.length).toBeGreaterThanOrEqual(8)
  })

  // Side by side: most of their time they wait.
  test.concurrent.each(broken)('$fault', async ({ fault, breaks }) => {
    const { violations } = await soaked((honest) => wrap(honest, breaks(honest)))
    expect(violations.join('\n')).toMatch(FOUND[fault] as RegExp)
  })
})

test('the checker passes the history of the same broker where it is not broken', async () => {
  const { violations, figures } = await soaked((honest) => wrap(honest, {}))
  expect(violations).toEqual([])
  expect(figures.inHand).toBeGreaterThan(0)
  expect(figures.ended).toBeGreaterThan(JOBS)
})

class Soak {
  readonly history: Event[] = []
  readonly #broker: Broker
  readonly #alive = new Map<number, { readonly app: App; readonly link: Link }>()
  readonly #apps: App[] = []
  readonly #pids = new Map<string, number>()
  #pid = 100

  constructor(broker: Broker) {
    this.#broker = broker
  }

  write(entry: Entry, pid: number): void {
    this.history.push({ at: Date.now(), pid, ...entry } as Event)
  }

  /** Under a name of its own, as a process has. */
  async worker(): Promise<void> {
    this.#pid += 1
    const pid = this.#pid
    const link = new Link(this.#broker)
    const app = offstage({ broker: link.broker, logger: silentLogger })
    const run = (input: Input, ctx: TaskContext): Promise<number> => this.#run(input, ctx, pid, link)
    const worker = app.worker({ tasks: tasksOf(app, run), concurrency: 6, lease: LEASE_MS, grace: 0 })
    await worker.start()
    this.#pids.set(worker.id ?? '', pid)
    this.#alive.set(pid, { app, link })
    this.#apps.push(app)
  }

  /** One that runs jobs: nothing that it does gets out any more, and nothing gets in. */
  async kill(): Promise<void> {
    const pid = await until('somebody runs jobs', () => this.#busiest('', 1), { limitMs: DRAIN_MS })
    const victim = this.#alive.get(pid)
    if (victim === undefined) return
    this.write({ e: 'fault', kind: 'kill' }, pid)
    victim.link.dead = true
    this.#alive.delete(pid)
  }

  /** One that runs long jobs, for a time, after which everything that it had under way goes on. */
  async stop(): Promise<void> {
    const pid = await until('somebody runs long jobs', () => this.#busiest('long', BUSY), {
      limitMs: DRAIN_MS,
    })
    const victim = this.#alive.get(pid)
    if (victim === undefined) return
    this.write({ e: 'fault', kind: 'stop' }, pid)
    const goOn = victim.link.freeze()
    await lasting(STOPPED_MS)
    this.write({ e: 'fault', kind: 'go-on' }, pid)
    goOn()
  }

  /** Who runs most of the jobs whose id begins so, if it is so many. */
  #busiest(prefix: string, least: number): number | undefined {
    const counts = new Map<number, number>()
    for (const { e, pid, ...event } of this.history) {
      if (!('id' in event) || !event.id.startsWith(prefix)) continue
      if (e === 'run') counts.set(pid, (counts.get(pid) ?? 0) + 1)
      if (e === 'ran') counts.set(pid, (counts.get(pid) ?? 0) - 1)
    }
    const busy = [...counts].filter(([pid, count]) => count >= least && this.#alive.has(pid))
    return busy.sort(([, a], [, b]) => b - a)[0]?.[0]
  }

  settled(message: {
    id: string
    token: number
    worker: string
    outcome: string
    answer: 'ok' | 'lost'
  }): void {
    const { id, token, outcome, answer, worker } = message
    const pid = this.#pids.get(worker)
    // What a dead process still makes of its own timers is heard by nobody.
    if (pid !== undefined && this.#alive.has(pid))
      this.write({ e: 'settled', id, token, outcome, answer }, pid)
  }

  /** Whatever lives has heard what became of all it ran. */
  answered(): Promise<true> {
    const key = ({ id, token }: { readonly id: string; readonly token: number }): string => `${id} ${token}`
    return until('all is answered', () => {
      const answers = new Set(only(this.history, 'settled').map(key))
      return only(this.history, 'run').every((run) => answers.has(key(run)) || !this.#alive.has(run.pid))
    })
  }

  async end(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.close()))
  }

  async #run(input: Input, ctx: TaskContext, pid: number, link: Link): Promise<number> {
    const { id, token, attempt, task } = ctx.job
    const write = (entry: Entry): void => {
      if (!link.dead) this.write(entry, pid)
    }
    await link.awake
    const place =
      LIMITS[task] === undefined ? {} : { place: task === 'parted' ? `${task} ${input.key}` : task }
    write({ e: 'run', id, task, token, attempt, hash: hashOf(input), ...place })
    await lasting(input.workMs)
    await link.awake
    write({ e: 'ran', id, token })
    if (attempt <= input.fails) throw new Error('fails')
    return input.n
  }
}

/** A worker's way to the broker, which can die or freeze as its process would. */
class Link {
  readonly broker: Broker
  dead = false
  awake: Promise<void> = Promise.resolve()

  constructor(honest: Broker) {
    const never = new Promise<never>(() => undefined)
    this.broker = new Proxy(honest, {
      get: (target, name) => {
        // Many share it, and whoever opened it closes it.
        if (name === 'open' || name === 'close') return () => Promise.resolve()
        const member: unknown = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]): Promise<unknown> => {
          await this.awake
          if (this.dead) return never
          const answer: unknown = await Reflect.apply(member, target, args)
          await this.awake
          return this.dead ? never : answer
        }
      },
    })
  }

  freeze(): () => void {
    let goOn = (): void => undefined
    this.awake = new Promise((resolve) => {
      goOn = resolve
    })
    return goOn
  }
}

async function soaked(breaks: (honest: Broker) => Broker): Promise<Verdict> {
  const honest = new MemoryBroker({})
  await honest.open()
  const broker = breaks(honest)
  const soak = new Soak(broker)
  const deafen = subscribe('offstage:settle', (message) => soak.settled(message))
  const left = async (): Promise<boolean> => (await unfinished(honest)) === 0
  for (let n = 0; n < WORKERS; n += 1) await soak.worker()
  const app = offstage({ broker: new Link(broker).broker, logger: silentLogger })
  const ask = (prefix: string, more: object): Promise<void> =>
    produce(
      tasksOf(app, () => Promise.reject(new Error('this app only enqueues'))),
      { ...PLAN, ...more, prefix },
      { write: (entry: Entry) => soak.write(entry, 1) },
    )
  const asked = Promise.all([ask('p', {}), ask('q', { seed: 2 }), follow(broker, soak)])
  for (let kill = 0; kill < KILLS; kill += 1) {
    await lasting(KILL_EVERY_MS)
    // A broken broker may hand out nothing any more, and that is found too.
    await soak.kill().catch(() => undefined)
    await soak.worker()
  }
  // Long enough to run here and there at once, when a worker that was stopped goes on.
  await ask('long', { count: 12, workMs: LONG_MS, ...PLAIN })
  await soak.stop().catch(() => undefined)
  await asked
  await inTime(
    DRAIN_MS,
    until('all is drained', left, { limitMs: DRAIN_MS }).catch(() => false),
  )
  await inTime(DRAIN_MS, soak.answered())
  const verdict = check(soak.history, await finalOf(honest), { limits: LIMITS })
  await inTime(DRAIN_MS, Promise.all([soak.end(), app.close()]))
  await honest.close()
  deafen()
  return verdict
}

/** Jobs that wait for others. */
async function follow(broker: Broker, soak: Soak): Promise<void> {
  const input = (n: number): Input => ({ n, workMs: 5, fails: 0, pad: '' })
  for (let n = 0; n < FOLLOWERS; n += 1) {
    const job = (id: string, fields: Parameters<typeof spec>[0]): ReturnType<typeof spec> => {
      soak.write({ e: 'asked', id, task: 'work', hash: hashOf(input(n)), delayMs: 0 }, 1)
      return spec({ id, queue: 'default', input: json(input(n)), ...fields })
    }
    const pair = [
      job(`parent-${n}`, {}),
      job(`child-${n}`, { after: [{ id: `parent-${n}`, when: 'succeeded' }] }),
    ]
    const [answer] = await broker.enqueue([pair])
    if (answer?.ok === true) for (const { id } of pair) soak.write({ e: 'accepted', id }, 1)
    await lasting(KILL_EVERY_MS / 3)
  }
}

const PLAN = {
  seed: 1,
  prefix: 'p',
  count: JOBS,
  inFlight: 8,
  perSecond: 250,
  task: 'work',
  workMs: 30,
  failing: 0.05,
  delayed: 0.2,
  limited: 0.15,
  unique: 0.1,
  keys: 2,
  parted: 0.1,
  maxBytes: 400,
  big: 0,
  deed: undefined,
  options: {},
} as const

const PLAIN = { failing: 0, delayed: 0, limited: 0, unique: 0, parted: 0, perSecond: 0 }
