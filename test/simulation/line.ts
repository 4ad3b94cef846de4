// The way of a process to the broker, where calls are delayed, lost before and after they took effect, repeated, brought
// late and out of order, and cut off for a while. What comes back is due to the process: held while it stands still,
// and lost when it is gone.
import type { Broker } from '../../src/broker/contract.ts'
import { OffstageError } from '../../src/errors/error.ts'
import { wrap } from '../support/broken-brokers.ts'
import type { Random } from '../support/random.ts'
import type { Conduct } from './conduct.ts'
import type { History } from './history.ts'
import type { Life, Timeline } from './time.ts'

/** How likely each thing is to happen to a call. */
export interface Weather {
  /** The longest that a request and a reply take when nothing happens to them. */
  readonly latencyMs: number
  /** Rejected before it took effect. */
  readonly refused: number
  /** Rejected after it took effect. */
  readonly lost: number
  /** Never answered; half of them take effect. */
  readonly silent: number
  /** Answered after up to a minute. */
  readonly late: number
  /** Takes effect after up to a minute, when its caller has given it up. */
  readonly stale: number
  /** Takes effect twice. */
  readonly twice: number
  /** Hints that are missed, and such that come for nothing. */
  readonly hints: number
}

export const FAIR: Weather = {
  latencyMs: 0,
  refused: 0,
  lost: 0,
  silent: 0,
  late: 0,
  stale: 0,
  twice: 0,
  hints: 0,
}

const LATE_MS = 55_000
/** The longest that a worker waits for any answer. */
const PATIENCE_MS = 30_000

export interface LineParts {
  readonly name: string
  readonly time: Timeline
  readonly random: Random
  readonly history: History
  readonly life: Life
  /** Absent where nobody is held to it. */
  readonly conduct?: Conduct
  readonly weather: () => Weather
  /** The broker at its door. */
  readonly door: Broker
}

/** Calls of one process at one moment. */
const MAX_CALLS = 1_000

const FATES = ['refused', 'lost', 'silent', 'late', 'stale', 'twice'] as const
type Fate = (typeof FATES)[number] | 'fair'

interface Call<T> {
  readonly name: string
  readonly act: () => Promise<T>
  readonly answered: (value: T) => void
  readonly rejected: (error: unknown) => void
}

export class Line {
  readonly #parts: LineParts
  readonly #waits = new Set<AbortController>()
  readonly broker: Broker
  /** Cut: calls are refused, or swallowed. */
  cut: 'refuses' | 'swallows' | undefined
  /** Virtual time until which a call may be waited for. */
  busyUntil = 0
  #calls = 0
  #calledAt = 0

  constructor(parts: LineParts) {
    this.#parts = parts
    const { door, conduct } = parts
    this.broker = wrap(door, {
      enqueue: (groups) => this.#call('enqueue', () => door.enqueue(groups)),
      reserve: (request) => this.#call('reserve', () => door.reserve(request)),
      settle: (request) => {
        conduct?.settling(request)
        return this.#call(
          'settle',
          () => door.settle(request),
          (afterMs) => conduct?.settled(request, afterMs),
        )
      },
      extend: (leases, leaseMs) => {
        conduct?.extending(leases)
        return this.#call('extend', () => door.extend(leases, leaseMs))
      },
      write: (notes) => {
        conduct?.writing(notes)
        return this.#call('write', () => door.write(notes))
      },
      maintain: () => this.#call('maintain', () => door.maintain()),
      limit: (rules) => this.#call('limit', () => door.limit(rules)),
      beat: (worker, ttlMs) => this.#call('beat', () => door.beat(worker, ttlMs)),
      leave: (worker) => this.#call('leave', () => door.leave(worker)),
      wake: (queues, signal) => this.#wake(queues, signal),
    })
  }

  /** Nobody is there any more. */
  end(): void {
    for (const wait of this.#waits) wait.abort()
  }

  #call<T>(name: string, act: () => Promise<T>, onAnswer?: (afterMs: number) => void): Promise<T> {
    const { conduct, life, time, weather } = this.#parts
    const sentAt = time.now
    if (life.gone || this.#hammers(name)) return new Promise(() => undefined)
    conduct?.called(name)
    return new Promise((resolve, reject) => {
      const answered = (value: T): void => {
        onAnswer?.(time.now - sentAt)
        resolve(value)
      }
      this.#travel({ name, act, answered, rejected: reject }, weather())
    })
  }

  #travel<T>(call: Call<T>, weather: Weather): void {
    const { random } = this.#parts
    const fate = this.#fate(weather)
    const there = this.#latency(weather)
    const back = this.#latency(weather)
    const atLength = (): number => random.between(random.pick([100, PATIENCE_MS]), LATE_MS)
    const refused = (): number => (random.chance(0.8) ? back : random.between(0, 10_000))
    if (fate !== 'fair') this.#deal(`${call.name} ${fate}`)
    switch (fate) {
      case 'fair':
        this.#arrive(call, there, (outcome) => this.#answer(call, outcome, back))
        break
      case 'refused':
        this.#refuse(call, refused())
        break
      case 'lost':
        this.#arrive(call, there, (outcome) => {
          ignore(outcome)
          this.#refuse(call, refused())
        })
        break
      case 'silent':
        this.#busy(PATIENCE_MS)
        if (random.chance(0.5)) this.#arrive(call, there, ignore)
        break
      case 'late':
        this.#arrive(call, there, (outcome) => this.#answer(call, outcome, atLength()))
        break
      case 'stale':
        this.#refuse(call, random.between(0, 2_000))
        this.#arrive(call, atLength(), ignore)
        break
      case 'twice':
        this.#arrive(call, there, (outcome) => this.#answer(call, outcome, back))
        this.#arrive(call, there + random.between(0, 2_000), ignore)
    }
  }

  #fate(weather: Weather): Fate {
    if (this.cut !== undefined) return this.cut === 'refuses' ? 'refused' : 'silent'
    let at = this.#parts.random.next()
    for (const fate of FATES) {
      at -= weather[fate]
      if (at < 0) return fate
    }
    return 'fair'
  }

  /** What takes no time needs no alarm. */
  #arrive<T>({ act }: Call<T>, ms: number, then: (outcome: Promise<T>) => void): void {
    if (ms === 0) then(act())
    else {
      this.#busy(ms)
      this.#parts.time.after(ms, () => then(act()))
    }
  }

  #answer<T>({ answered, rejected }: Call<T>, outcome: Promise<T>, ms: number): void {
    const { life, time } = this.#parts
    const bring = (run: () => void): void => {
      if (ms === 0 && !life.frozen && !life.gone) run()
      else {
        this.#busy(ms)
        time.after(ms, run, life)
      }
    }
    outcome.then(
      (value) => bring(() => answered(value)),
      (error: unknown) => bring(() => rejected(error)),
    )
  }

  /** Always by an alarm: who repeats it at once is to be seen turning in circles. */
  #refuse<T>({ name, rejected }: Call<T>, ms: number): void {
    const { conduct, life, time } = this.#parts
    this.#busy(ms)
    if (this.cut !== undefined) conduct?.refused(name, time.now)
    const error = new OffstageError('BROKER_UNAVAILABLE', `${name} was refused by the simulation`)
    time.after(ms, () => rejected(error), life)
  }

  #busy(ms: number): void {
    this.busyUntil = Math.max(this.busyUntil, this.#parts.time.now + ms)
  }

  /** A process that calls again and again while time stands still would do so for ever. */
  #hammers(name: string): boolean {
    const { history, time } = this.#parts
    if (time.now !== this.#calledAt) this.#calls = 0
    this.#calledAt = time.now
    this.#calls += 1
    if (this.#calls > MAX_CALLS) history.broken(`${this.#parts.name} called ${name} without end`)
    return this.#calls > MAX_CALLS
  }

  #wake(queues: readonly string[], signal: AbortSignal): Promise<void> {
    const { conduct, door, life, random, time } = this.#parts
    if (life.gone) return new Promise(() => undefined)
    conduct?.called('wake')
    const weather = this.#parts.weather()
    const inner = new AbortController()
    this.#waits.add(inner)
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waits.delete(inner)
        inner.abort()
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      if (random.chance(weather.hints)) {
        this.#deal('hint in vain')
        time.after(random.between(0, 200), done, life)
      }
      const deaf = random.chance(weather.hints)
      if (deaf) this.#deal('hint missed')
      void door.wake(queues, inner.signal).then(() => {
        if (!inner.signal.aborted && !deaf && this.cut === undefined)
          time.after(this.#latency(weather), done, life)
      })
    })
  }

  #latency({ latencyMs }: Weather): number {
    const { random } = this.#parts
    return latencyMs === 0 ? 0 : random.next() ** 3 * latencyMs
  }

  #deal(what: string): void {
    this.#parts.history.deal(what)
    this.#parts.history.add(this.#parts.name, what)
  }
}

function ignore(outcome: Promise<unknown>): void {
  outcome.catch(() => undefined)
}
