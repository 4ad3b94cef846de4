// One world by a seed: real workers on a memory broker, in virtual time. First it is rough; then every fault ceases, and
// whoever survived has to work again, keep its leases, and bring every job to its end; then all stop, and nothing is left.
import type { Broker } from '../../src/broker/contract.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'
import type { JobSpec } from '../../src/job/record.ts'
import { Random } from '../support/random.ts'
import { type Deal, deal } from './director.ts'
import { History } from './history.ts'
import { Jobs } from './jobs.ts'
import { Ledger } from './ledger.ts'
import { FAIR, Line } from './line.ts'
import { HEALTHY, type Nature, natureOf, type WorkerPlan } from './nature.ts'
import { type Surroundings, WorkerProcess } from './process.ts'
import { Life, ProcessClock, Timeline, takeOver } from './time.ts'
import { Witness } from './witness.ts'

export interface Verdict {
  readonly seed: number
  /** The law that was broken; undefined where all held. */
  readonly violation: string | undefined
  readonly history: History
  /** How long it lasted in its own time. */
  readonly virtualMs: number
}

export interface WorldOptions {
  /** Makes another broker of the honest one, for tests of the simulation itself. */
  readonly breaks?: ((honest: Broker) => Broker) | undefined
  /** Errors have stacks, which costs time. */
  readonly stacks?: boolean | undefined
}

/** A world that makes more moves than this turns in circles. */
const MAX_STEPS = 100_000
/** A call that was never answered is given up after 30 s, and so may be what hung on it. */
const BACK_MS = 150_000
const END_MS = 600_000
/** How long a producer waits for an answer before it asks again. */
const ENQUEUE_MS = 5_000
/** After it nothing of a worker is left, not even its patience with a call. */
const REST_MS = 31_000
/** A worker is shown for so long after its last sign of life, if its farewell was lost. */
const FORGOTTEN_MS = 16_000

export class World {
  readonly #seed: number
  readonly #stacks: boolean
  readonly #nature: Nature
  readonly #time = new Timeline()
  readonly #random: Random
  readonly #history = new History(() => this.#time.now)
  readonly #brokerClock: ProcessClock
  readonly #memory: MemoryBroker
  readonly #ledger: Ledger
  readonly #witness: Witness
  readonly #jobs: Jobs
  readonly #producer: Line
  readonly #processes: WorkerProcess[] = []
  readonly #surroundings: Surroundings
  #pending = 0
  #calm = false
  #over = false

  constructor(seed: number, { breaks = (honest) => honest, stacks = false }: WorldOptions = {}) {
    this.#seed = seed
    this.#stacks = stacks
    const random = new Random(seed)
    const time = this.#time
    const history = this.#history
    this.#random = random
    this.#nature = natureOf(random)
    this.#brokerClock = new ProcessClock(time, random, {})
    this.#memory = new MemoryBroker({ clock: this.#brokerClock })
    this.#ledger = new Ledger(history, () => this.#brokerClock.latest)
    this.#witness = new Witness(breaks(this.#memory), this.#ledger, history)
    this.#jobs = new Jobs(random, this.#nature.mix)
    const door = this.#witness.broker
    const weather = (): Nature['weather'] => (this.#calm ? FAIR : this.#nature.weather)
    this.#producer = new Line({ name: 'producer', time, random, history, life: new Life(), weather, door })
    this.#surroundings = {
      time,
      random,
      history,
      ledger: this.#ledger,
      jobs: this.#jobs,
      door,
      weather,
      rough: this.#nature.rough,
      onKill: () => this.#replace(),
    }
  }

  /** Runs the world to its end. Everything happens within one turn of the real event loop. */
  async run(): Promise<Verdict> {
    const handBack = takeOver(this.#time, new Random(this.#seed ^ 0x5eed).next, this.#stacks)
    try {
      await this.#witness.open()
      await this.#beRough()
      await this.#comeBack()
      await this.#finish()
      await this.#end()
      await this.#witness.close()
    } finally {
      handBack()
    }
    const { violation } = this.#history
    return { seed: this.#seed, violation, history: this.#history, virtualMs: this.#time.now }
  }

  // ── the phases ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #beRough(): Promise<void> {
    const { workers, groups, poisoned, actions, roughMs } = this.#nature
    for (const plan of workers) this.#start(plan)
    for (let i = 0; i < groups; i += 1) this.#enqueue(this.#jobs.group())
    if (poisoned) this.#enqueue([this.#jobs.poison()])
    const parts: Deal = {
      ...this.#surroundings,
      processes: this.#processes,
      brokerClock: this.#brokerClock,
      producer: this.#producer,
      calm: () => this.#calm,
      start: (plan) => this.#start(plan),
      enqueue: () => this.#enqueue(this.#jobs.group()),
    }
    for (const action of actions)
      this.#time.after(this.#random.between(0, roughMs), () => this.#calm || deal(action, parts))
    await this.#wait(roughMs)
  }

  /** Each survivor by itself has to find its way back, and from then on keeps what it holds. */
  async #comeBack(): Promise<void> {
    this.#calm = true
    this.#history.add('world', 'calm')
    const { time } = this.#surroundings
    const door = this.#witness.broker
    for (const { queue } of await door.queues()) await door.pause(queue, false)
    for (const { line, life } of [this.#producer, ...this.#processes].map(partsOf)) {
      line.cut = undefined
      if (life !== undefined) time.thaw(life)
    }
    this.#seeToOne()
    const underWay = (): boolean =>
      this.#processes.some(({ state }) => state === 'starting' || state === 'stopping')
    const settled = (): Promise<void> =>
      this.#until(() => !underWay(), BACK_MS, 'a worker neither started nor stopped')
    // Who stood still hears now what it was told meanwhile, which may be to stop.
    await this.#wait(600)
    await settled()
    this.#seeToOne()
    await settled()

    const survivors = this.#processes.filter(({ state }) => state === 'up')
    const quietAt = Math.max(0, ...survivors.map(({ line }) => line.busyUntil))
    await this.#probe(survivors, () => 0, BACK_MS)
    // What hung is given up by then, and the pause after it is over.
    if (quietAt > time.now) await this.#wait(quietAt - time.now + 6_000)
    const sound = survivors.filter(({ state, plan }) => state === 'up' && plan.options.lease <= 5_000)
    for (const { worker } of sound) this.#ledger.setSound(worker.id, true)
    await this.#probe(sound, ({ plan }) => plan.options.lease * 2.5, BACK_MS)
  }

  async #probe(
    processes: readonly WorkerProcess[],
    workMs: (process: WorkerProcess) => number,
    limitMs: number,
  ): Promise<void> {
    const probes = processes.map((process) => ({
      process,
      probe: this.#jobs.probe(process.name, workMs(process)),
    }))
    for (const { probe } of probes) this.#enqueue([probe])
    const done = ({ process, probe }: (typeof probes)[number]): boolean =>
      process.state !== 'up' || this.#ledger.jobs.get(probe.id)?.state === 'succeeded'
    await this.#until(
      () => probes.every(done),
      limitMs,
      () => {
        const silent = probes.filter((one) => !done(one)).map(({ process }) => process.name)
        return `${silent.join()} did not come back when all faults had ceased`
      },
    )
  }

  /** When those that do not know every task are gone, all jobs come to an end. */
  async #finish(): Promise<void> {
    for (const process of this.#processes)
      if (process.state === 'up' && !process.plan.knows.includes('fresh')) process.stop(0)
    this.#seeToOne()
    // Nobody else can run the probes of who has died meanwhile.
    const orphans = this.#processes.filter(({ state }) => state !== 'up').map(({ name }) => `probe-${name}`)
    for (const queue of orphans) await this.#witness.broker.cancel({ ids: this.#ledger.unfinished(queue) })
    const asked = (): boolean => this.#pending === 0 && this.#producer.busyUntil <= this.#time.now
    const open = (): string[] => this.#ledger.unfinished()
    await this.#until(
      () => asked() && open().length === 0,
      END_MS,
      () => `${open().join()} did not come to an end`,
    )
  }

  async #end(): Promise<void> {
    const { random, history, time } = this.#surroundings
    this.#over = true
    const stopped = (): boolean =>
      this.#processes.every(({ state }) => state === 'stopped' || state === 'killed')
    await this.#until(() => !this.#processes.some(({ state }) => state === 'starting'), 5_000, 'no start')
    const last = this.#processes.filter(({ state }) => state === 'up')
    for (const process of last) process.stop(random.pick([0, 500]))
    await this.#until(stopped, 5_000, 'a worker has not stopped')
    const lastAt = Math.max(...this.#processes.map(({ line }) => line.busyUntil))
    await this.#wait(Math.max(REST_MS, lastAt + FORGOTTEN_MS - time.now))
    if (history.violation !== undefined) return
    for (const { name, conduct } of last) {
      if (conduct.unanswered > 0)
        history.broken(`${name} stopped in calm with ${conduct.unanswered} outcomes that were not answered`)
    }
    for (const { name, clock, state } of this.#processes) {
      if (state === 'stopped' && clock.waiting > 0)
        history.broken(`${name} has stopped and left ${clock.waiting} timers`)
    }
    await this.#checkBroker()
  }

  async #checkBroker(): Promise<void> {
    const history = this.#history
    const ids = [...this.#ledger.jobs.keys()]
    const records = await this.#memory.get(ids)
    for (const [i, id] of ids.entries()) this.#ledger.checkEnd(id, records[i])
    const counts = new Map<string, number>()
    for (const record of records)
      if (record !== undefined) counts.set(record.state, (counts.get(record.state) ?? 0) + 1)
    for (const queue of await this.#memory.queues()) {
      for (const [state, count] of Object.entries(queue.counts))
        counts.set(state, (counts.get(state) ?? 0) - count)
    }
    for (const [state, off] of counts)
      if (off !== 0) history.broken(`the queues count ${-off} ${state} jobs more than there are`)
    const workers = await this.#memory.workers()
    const shown = this.#processes.filter(({ worker }) => workers.some(({ id }) => id === worker.id))
    for (const { name } of shown) history.broken(`${name} is shown, and is not there any more`)
    if (this.#nature.poisoned) {
      for (const record of records) {
        if (record !== undefined && record.reason === 'crashes-exhausted' && !this.#jobs.kills(record.id))
          history.broken(`${record.id} is a dead letter for what its neighbour did`)
      }
    }
  }

  // ── what happens in it ─────────────────────────────────────────────────────────────────────────────────────────

  #start(plan: WorkerPlan): void {
    const process = new WorkerProcess(`w${this.#processes.length + 1}`, plan, this.#surroundings)
    this.#processes.push(process)
    this.#history.add(process.name, 'starts', plan.options as Record<string, unknown>)
    process.start()
  }

  /** One at least can run every job, and does the upkeep. */
  #seeToOne(): void {
    const able = ({ state, plan }: WorkerProcess): boolean =>
      state === 'up' && plan.knows.includes('fresh') && plan.options.maintain !== false
    if (!this.#processes.some(able)) this.#start(HEALTHY)
  }

  /** Somebody sees to it that a dead worker is replaced: always where it dies of a job, else sometimes. */
  #replace(): void {
    const { random, time } = this.#surroundings
    const sure = this.#calm || this.#nature.poisoned
    if (!sure && random.chance(0.3)) return
    time.after(random.between(0, 2_000), () => this.#over || this.#start(HEALTHY))
  }

  /** As a client does: the same ids again, until it is answered. */
  #enqueue(group: readonly JobSpec[]): void {
    this.#pending += 1
    let over = false
    const end = (answered: boolean): void => {
      if (over) return
      over = true
      this.#pending -= 1
      if (!answered) this.#enqueue(group)
    }
    const failed = (): void => void this.#time.after(200, () => end(false))
    this.#time.after(ENQUEUE_MS, () => end(false))
    this.#producer.broker.enqueue([group]).then(() => end(true), failed)
  }

  async #wait(ms: number): Promise<void> {
    let over = false
    this.#time.after(ms, () => {
      over = true
    })
    await this.#until(() => over, ms + 1, 'time stands still')
  }

  async #until(condition: () => boolean, limitMs: number, what: string | (() => string)): Promise<void> {
    const time = this.#time
    const history = this.#history
    const endsAt = time.now + limitMs
    await time.rest()
    while (history.violation === undefined && !condition()) {
      const goesOn = await time.step()
      const [trouble] = time.troubles
      if (trouble !== undefined) history.broken(`a timer threw ${String(trouble)}`)
      if (condition()) return
      if (time.now > endsAt || !goesOn) history.broken(typeof what === 'string' ? what : what())
      else if (time.steps > MAX_STEPS) history.broken(`more than ${MAX_STEPS} moves: it turns in circles`)
    }
  }
}

function partsOf(one: Line | WorkerProcess): { readonly line: Line; readonly life: Life | undefined } {
  return one instanceof Line ? { line: one, life: undefined } : one
}
