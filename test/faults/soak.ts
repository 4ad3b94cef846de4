// F1 in full: two minutes of load while everything that can be harmed is, by a seed. What holds at the end is what holds
// without faults, and the work never stands still for long.
import { expect } from 'vitest'
import { mulberry } from '../support/random.ts'
import type { Process } from './fleet.ts'
import type { Event } from './history.ts'
import type { NetProxy } from './proxy.ts'
import { succeeded } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'
import { LIMITS } from './tasks.ts'
import { lasting, now } from './time.ts'

const FAULTS_MS = Number(process.env.OFFSTAGE_SOAK_S ?? 120) * 1_000
const QUIET_MS = 20_000
const WORKERS = 4
const PRODUCERS = 2
/** Each. What a busy machine of two cores carries with all its processes beside it. */
const PER_SECOND = 150
const HOLE_MS = 2_000
/** So much later, each way. */
const SLOW_MS = 100
const SLOW_FOR_MS = 3_000
const STOPPED_MS = 5_000
/** The longest that no job may end, and how long after an outage that begins to count again. */
const STILL_MS = 5_000
const RECOVERY_MS = 3_000
const TICK_MS = 100
/** Beyond the lease and what an outage adds to it: worth a look. */
const LONG_PICKUP_MS = 2 * LEASE_MS

export const soak: FaultCase = {
  title:
    'F1: a soak: workers and producers are killed and stopped, the network is harmed, the broker is restarted',
  durability: 'durable',
  timeoutMs: QUIET_MS + FAULTS_MS + 180_000,
  alone: true,
  async run(arena) {
    const storm = new Storm(arena)
    await storm.start()
    const quiet = await storm.during(QUIET_MS)
    const rough = await storm.during(FAULTS_MS, storm.faults())
    await storm.end()
    const { figures, slowest } = await arena.verdict({ limits: LIMITS, mayRefuse: true })
    if ((figures.largestPickupMs ?? 0) > LONG_PICKUP_MS) arena.say(storm.storyOf(slowest))
    const share = (figures.duplicates / figures.ended) * 100
    arena.say(`${share.toFixed(2)} % duplicates`)
    arena.say(`${Math.round(quiet)} jobs/s without faults, ${Math.round(rough)} with them`)
    arena.say(`${storm.still()} ms at most without a finished job`)
    expect(rough).toBeGreaterThan(quiet / 2)
    expect(storm.still()).toBeLessThan(STILL_MS)
  },
}

interface Plague {
  readonly everyMs: number
  readonly act: () => Promise<void>
}

class Storm {
  readonly #arena: Arena
  readonly #random: () => number
  readonly #seed: number = Number(process.env.OFFSTAGE_SEED ?? Math.floor(Math.random() * 2 ** 31))
  readonly #underWay = new Set<Promise<void>>()
  #workers: Process[] = []
  #producers: Process[] = []
  #started = 0
  #proxy: NetProxy | undefined
  #url: string | undefined
  #errors: unknown[] = []

  constructor(arena: Arena) {
    this.#arena = arena
    this.#random = mulberry(this.#seed)
    arena.say(`seed ${this.#seed} (OFFSTAGE_SEED repeats it)`)
  }

  async start(): Promise<void> {
    if (this.#arena.has('network')) {
      const { proxy, url } = await this.#arena.net()
      this.#proxy = proxy
      this.#url = url
    }
    await Promise.all(Array.from({ length: WORKERS }, () => this.#worker()))
    await Promise.all(Array.from({ length: PRODUCERS }, () => this.#producer()))
  }

  /** Lets so much time pass, with the faults. Answers how many jobs ended a second. */
  async during(ms: number, plagues: readonly Plague[] = []): Promise<number> {
    const startedAt = now()
    const before = this.#done()
    const due = plagues.map(({ everyMs }) => startedAt + everyMs)
    while (now() < startedAt + ms) {
      await lasting(TICK_MS)
      for (const [i, { everyMs, act }] of plagues.entries()) {
        if (now() < (due[i] ?? 0)) continue
        due[i] = (due[i] ?? 0) + everyMs
        this.#do(act)
      }
      if (this.#errors.length > 0) throw this.#errors[0]
    }
    return ((this.#done() - before) * 1_000) / (now() - startedAt)
  }

  faults(): readonly Plague[] {
    const { has } = this.#arena
    const plagues = [
      { everyMs: 2_000, act: () => this.#killWorker() },
      { everyMs: 15_000, act: () => this.#stopWorker() },
      { everyMs: 10_000, act: () => this.#killProducer() },
    ]
    const nets = [() => this.#cut(), () => this.#hole(), () => this.#loseReply(), () => this.#slow()]
    let net = 0
    if (has('network'))
      plagues.push({ everyMs: 9_000, act: () => nets[net++ % nets.length]?.() ?? Promise.resolve() })
    // Twice, and not at the very end.
    if (has('server')) plagues.push({ everyMs: Math.floor(FAULTS_MS / 2.5), act: () => this.#killBroker() })
    return plagues
  }

  async end(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    if (this.#errors.length > 0) throw this.#errors[0]
    const { fleet } = this.#arena
    for (const producer of this.#producers) fleet.fault('term', producer)
    expect(await Promise.all(this.#producers.map(({ ended }) => ended))).toEqual(this.#producers.map(() => 0))
    await fleet.drained(120_000)
    const codes = await fleet.stop()
    expect(codes).toEqual(codes.map(() => 0))
  }

  /** The longest time without a finished job, while jobs were asked for and nothing was away. */
  still(): number {
    let longest = 0
    let since: number | undefined
    let away = false
    for (const event of this.#arena.fleet.history) {
      if (event.e === 'fault' && event.kind === 'outage') {
        away = !event.what.endsWith('back')
        since = event.at + RECOVERY_MS
      } else if (event.e === 'asked' && since === undefined) since = event.at
      else if (isDone(event)) {
        if (!away && since !== undefined) longest = Math.max(longest, event.at - since)
        since = Math.max(event.at, away ? 0 : (since ?? 0))
      }
    }
    return longest
  }

  /** What happened to a job, and the faults of that time, in milliseconds since it was asked for. */
  storyOf(job: string | undefined): string {
    const { history } = this.#arena.fleet
    const own = history.filter((event) => 'id' in event && event.id === job)
    const [first] = own
    const last = own.at(-1)
    if (first === undefined || last === undefined) return ''
    const pids = new Set(own.map(({ pid }) => pid))
    const story = history.filter(
      (event) =>
        own.includes(event) ||
        (event.at >= first.at &&
          event.at <= last.at &&
          event.e === 'fault' &&
          (event.pid === 0 || pids.has(event.pid))),
    )
    const lines = story.map(({ at, ...event }) => `\n  ${at - first.at} ${JSON.stringify(event)}`)
    return `the slowest to be picked up:${lines.join('')}`
  }

  #done(): number {
    return this.#arena.fleet.history.filter(isDone).length
  }

  /** Faults may overlap: none waits for another to be over. */
  #do(act: () => Promise<void>): void {
    const work = act()
      .catch((error: unknown) => void this.#errors.push(error))
      .finally(() => this.#underWay.delete(work))
    this.#underWay.add(work)
  }

  async #worker(): Promise<void> {
    const extras = this.#url === undefined ? {} : { broker: this.#url }
    this.#workers.push(await this.#arena.fleet.worker({ concurrency: 8, lease: LEASE_MS }, extras))
  }

  async #producer(): Promise<void> {
    this.#started += 1
    const shares = { failing: 0.05, delayed: 0.1, unique: 0.05, parted: 0.05, limited: 0.02, big: 0.002 }
    const load = { workMs: 20, inFlight: 8, maxBytes: 8_192, keys: 500, perSecond: PER_SECOND }
    const which = { seed: this.#seed + this.#started, prefix: `p${this.#started}`, count: 1_000_000 }
    this.#producers.push(await this.#arena.fleet.producer({ ...which, ...shares, ...load }, this.#url))
  }

  #take(list: Process[]): Process | undefined {
    return list.splice(Math.floor(this.#random() * list.length), 1)[0]
  }

  async #killWorker(): Promise<void> {
    const victim = this.#take(this.#workers)
    if (victim !== undefined) this.#arena.fleet.fault('kill', victim)
    await this.#worker()
  }

  async #killProducer(): Promise<void> {
    const victim = this.#take(this.#producers)
    if (victim !== undefined) this.#arena.fleet.fault('kill', victim)
    await this.#producer()
  }

  async #stopWorker(): Promise<void> {
    const { fleet } = this.#arena
    const victim = this.#take(this.#workers)
    if (victim === undefined) return
    await fleet.freeze(victim)
    await lasting(STOPPED_MS)
    fleet.fault('go-on', victim)
    this.#workers.push(victim)
  }

  async #cut(): Promise<void> {
    this.#arena.fleet.outage('cut')
    this.#proxy?.cut()
    this.#arena.fleet.outage('the net is back')
  }

  async #hole(): Promise<void> {
    this.#arena.fleet.outage('black hole', { long: true })
    this.#proxy?.blackHole()
    await lasting(HOLE_MS)
    await this.#proxy?.restore()
    this.#arena.fleet.outage('the net is back', { long: true })
  }

  async #loseReply(): Promise<void> {
    await this.#proxy?.dropNextReply()
    this.#arena.fleet.outage('a reply was lost, and the net is back')
  }

  /** Slow is no fault: nothing may come of it. */
  async #slow(): Promise<void> {
    this.#proxy?.delay(SLOW_MS)
    await lasting(SLOW_FOR_MS)
    await this.#proxy?.restore()
  }

  async #killBroker(): Promise<void> {
    const { fleet, server } = this.#arena
    fleet.outage('the broker is killed', { long: true })
    await server.kill()
    await server.restart()
    fleet.outage('the broker is back', { long: true })
  }
}

function isDone(event: Event): boolean {
  return event.e === 'settled' && succeeded(event)
}
