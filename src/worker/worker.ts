// A worker: wires its actors together, starts them and stops them.
//
//   concurrency  how many at once
//   fetcher  claims jobs            slots    hold what runs and what waits for a slot
//   executor runs one attempt       settler  records outcomes, and claims with the same trip
//   guard    sees to it that leases are renewed, the broker's upkeep runs and the worker is shown, by a thread
//   drain    the order of a graceful stop
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Broker } from '../broker/contract.ts'
import { OffstageError } from '../errors/error.ts'
import { publish } from '../runtime/channels.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { type Duration, durationMs } from '../runtime/durations.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Middleware } from '../task/middleware.ts'
import type { RunnableTask } from '../task/runnable.ts'
import type { Attempt } from './attempt.ts'
import { type Claim, Claims } from './claims.ts'
import { Concurrency } from './concurrency.ts'
import { declaredLimits } from './declare.ts'
import { sayDoubts } from './doubts.ts'
import { Drain } from './drain.ts'
import { steadyLogger, type WorkerEnv } from './env.ts'
import { Executor } from './executor.ts'
import { Fetcher } from './fetcher.ts'
import { type Gauge, systemGauge } from './gauge.ts'
import { Guard } from './keeper/guard.ts'
import { type WorkerOptions, workerSettings } from './options.ts'
import { CANCELLED, outcomeOf, RELEASED } from './outcomes.ts'
import { Pace } from './pace.ts'
import { PatientBroker } from './patient.ts'
import { Settler } from './settler.ts'
import { Slots } from './slots.ts'
import { Waker } from './waker.ts'

export type { WorkerOptions } from './options.ts'

export interface WorkerParts {
  /** Open. It stays open when the worker stops. */
  readonly broker: Broker
  readonly tasks: readonly RunnableTask[]
  readonly middleware: readonly Middleware[]
  readonly logger: Logger
  readonly clock: Clock
  readonly options: WorkerOptions
  /** What an automatic concurrency goes by. Default the event loop and memory of this process. */
  readonly gauge?: (() => Gauge) | undefined
}

const ALIVE_MS = 86_400_000

export class Worker {
  /** `host:pid:random`: unique a process and start. */
  readonly id: string
  readonly #env: WorkerEnv
  readonly #tasks: readonly RunnableTask[]
  readonly #concurrency: Concurrency
  readonly #claims = new Claims()
  readonly #slots: Slots
  readonly #executor: Executor
  readonly #settler: Settler
  readonly #waker: Waker
  readonly #fetcher: Fetcher
  readonly #guard: Guard
  #state: 'new' | 'starting' | 'running' | 'stopped' = 'new'
  #alive: Timer | undefined
  #drain: Drain | undefined

  /** @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID, TASK_DUPLICATE */
  constructor(parts: WorkerParts) {
    const settings = workerSettings(parts.options, parts.tasks)
    this.id = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`
    const { clock, tasks } = parts
    const broker = new PatientBroker(parts.broker, clock, settings.leaseMs)
    const { minConcurrency: min, concurrency: max } = settings
    this.#concurrency = new Concurrency(
      clock,
      { min, max },
      {
        gauge: parts.gauge ?? systemGauge,
        isFull: () => this.#slots.running.size >= this.#concurrency.now,
        onRise: () => this.#answered(),
      },
    )
    const env: WorkerEnv = {
      worker: this.id,
      broker,
      clock,
      settings,
      concurrency: this.#concurrency,
      logger: steadyLogger(parts.logger),
    }
    this.#env = env
    this.#tasks = tasks
    this.#slots = new Slots(
      env,
      new Map(tasks.map((task) => [task.name, task])),
      new Pace(settings.prefetch),
      {
        execute: (attempt) => void this.#executor.execute(attempt),
        giveBack: (claim) => this.#giveBack(claim),
        onChunk: () => this.#settler.depart(),
        onClose: () => this.#executor.batches.close(),
      },
    )
    this.#executor = new Executor(env, this.#claims, parts.middleware, {
      settle: (claim, outcome) => this.#settler.add(claim, outcome),
      onEnd: (attempt, heldMs) => this.#slots.freed(attempt, heldMs),
      isFull: (attempts) => attempts >= Math.max(this.#concurrency.now, this.#slots.running.size),
    })
    this.#settler = new Settler(env, this.#claims, {
      running: this.#slots.running,
      nextClaim: (settling) => this.#fetcher.next(settling),
      claimed: (request, reserved, sentAt) => this.#fetcher.claimed(request, reserved, sentAt),
      claimedLate: (request, reserved, sentAt) => this.#fetcher.claimedLate(request, reserved, sentAt),
      onAnswer: () => this.#answered(),
    })
    this.#waker = new Waker(env, () => this.#woken())
    this.#fetcher = new Fetcher(env, {
      claims: this.#claims,
      slots: this.#slots,
      waker: this.#waker,
      settler: this.#settler,
    })
    const names = tasks.map(({ name }) => name)
    this.#guard = new Guard(
      env,
      { broker: parts.broker, claims: this.#claims, tasks: names },
      {
        lost: (claim) => this.#lost(claim),
        cancelling: (claim) => this.#cancelling(claim),
        taken: (claim) => this.#taken(claim),
        arm: () => this.#waker.arm(),
        active: () => this.#slots.running.size,
      },
    )
  }

  /** How many attempts run now. */
  get active(): number {
    return this.#slots.running.size
  }

  /** How many handlers still run though their attempts were given up: they hold no slot, but all else that they use. */
  get abandoned(): number {
    return this.#executor.abandoned
  }

  /**
   * Declares the limits of its tasks and begins to work. Keeps the process alive until it is stopped. May be repeated
   * after a rejection.
   *
   * @throws WORKER_STATE when it was started before; what the broker says where it cannot take the limits
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') {
      throw new OffstageError('WORKER_STATE', 'the worker was started before: make a new one')
    }
    this.#state = 'starting'
    try {
      await this.#env.broker.limit(declaredLimits(this.#tasks, this.#env.logger))
    } catch (error) {
      if (this.#state === 'starting') this.#state = 'new'
      throw error
    }
    if (this.#state !== 'starting') return
    this.#state = 'running'
    sayDoubts(this.#env.settings, this.#tasks, this.#env.logger)
    this.#stayAlive()
    this.#concurrency.start()
    this.#guard.start()
    this.#fetcher.start()
  }

  /**
   * Claims nothing more, gives back what has not started, lets running attempts go on for the grace, then aborts them
   * and gives them back too. Leases are renewed until the end. Called again, the shorter grace holds.
   *
   * @param options.grace default that of the worker
   */
  async stop(options: { readonly grace?: Duration | undefined } = {}): Promise<void> {
    const graceMs =
      options.grace === undefined ? this.#env.settings.graceMs : durationMs(options.grace, 'grace')
    if (this.#state === 'running') {
      this.#drain = new Drain(this.#env, {
        fetcher: this.#fetcher,
        slots: this.#slots,
        executor: this.#executor,
        settler: this.#settler,
        guard: this.#guard,
        waker: this.#waker,
      })
    }
    this.#state = 'stopped'
    this.#concurrency.stop()
    await this.#drain?.run(graceMs)
    this.#env.broker.end()
    this.#alive?.cancel()
    this.#alive = undefined
  }

  /**
   * Batches that nothing joins before time goes on leave now, if everything that was claimed has joined one. For tests,
   * where time stands still.
   */
  hurryBatches(): void {
    const { running, waiting } = this.#slots
    if (waiting === 0 && this.#executor.batches.gathering >= running.size) this.#executor.batches.leaveAll()
  }

  #stayAlive(): void {
    this.#alive = this.#env.clock.schedule(ALIVE_MS, () => this.#stayAlive(), { ref: true })
  }

  #answered(): void {
    this.#fetcher.ahead()
    this.#slots.fill()
    this.#fetcher.nudge()
  }

  #woken(): void {
    this.#fetcher.wake()
    this.#guard.look()
  }

  #giveBack(claim: Claim): void {
    this.#settler.add(claim, outcomeOf(claim, RELEASED, undefined))
  }

  #lost(claim: Claim): void {
    // It has ended with the handler's own transaction; what became of it is found when the handler returns.
    if (claim.completed !== undefined) return
    claim.lost = true
    const { id, task, queue } = claim.job
    publish('offstage:lease-lost', () => claim.message(this.id))
    if (claim.state === 'waiting') {
      this.#slots.drop(claim)
      this.#claims.delete(claim)
      return
    }
    this.#env.logger.warn({ job: id, task, queue, token: claim.token }, 'the lease of a running job was lost')
    const reason = new OffstageError('LEASE_LOST', `the lease of job '${id}' was lost: it runs elsewhere`)
    this.#abort(claim, reason)
  }

  #taken(claim: Claim): void {
    if (claim.state !== 'waiting') return
    this.#slots.drop(claim)
    this.#claims.delete(claim)
  }

  #cancelling(claim: Claim): void {
    if (claim.state === 'waiting') {
      this.#slots.drop(claim)
      this.#settler.add(claim, outcomeOf(claim, CANCELLED, undefined))
      return
    }
    this.#abort(claim, new OffstageError('JOB_CANCELLED', `job '${claim.id}' was cancelled`))
  }

  #abort(claim: Claim, reason: OffstageError): void {
    const attempt = this.#attemptOf(claim)
    if (attempt !== undefined) this.#executor.abort(attempt, reason, this.#env.settings.abandonAfterMs)
  }

  #attemptOf(claim: Claim): Attempt | undefined {
    for (const attempt of this.#slots.running) if (attempt.claim === claim) return attempt
    return undefined
  }
}
