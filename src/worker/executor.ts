// Runs one attempt: a value that goes through named steps until one of them, or the last, says how it ended.
// Nothing that a handler does comes out of here as an error; it comes out as an ending.
import { isDeepStrictEqual } from 'node:util'
import type { ExtendAnswer, HeldLease, Outcome } from '../broker/message.ts'
import { OffstageError } from '../errors/error.ts'
import { defaultRetry } from '../job/defaults.ts'
import type { Payload } from '../job/record.ts'
import { storedError } from '../job/stored-error.ts'
import { Batcher } from '../runtime/batcher.ts'
import { publish } from '../runtime/channels.ts'
import { sleep } from '../runtime/clock.ts'
import { formatMs } from '../runtime/durations.ts'
import { aroundRun } from '../task/compose.ts'
import type { Middleware } from '../task/middleware.ts'
import type { RunnableTask } from '../task/runnable.ts'
import type { Attempt } from './attempt.ts'
import { Batches } from './batches.ts'
import type { Claim, Claims, Completed } from './claims.ts'
import { Completer } from './completer.ts'
import { type ContextTools, JobContext } from './context.ts'
import { backoffMs, type WorkerEnv } from './env.ts'
import { RemoteRuns } from './executors/remote.ts'
import { Notes } from './notes.ts'
import { queueTimeoutMs } from './options.ts'
import {
  abortedEnding,
  CANCELLED,
  type Ending,
  failureEnding,
  outcomeOf,
  type Phase,
  RELEASED,
} from './outcomes.ts'
import { Unknown } from './unknown.ts'

const ADVICE =
  ". Pass ctx.signal to what the handler waits for, or check signal.aborted between its steps; until then it goes on without a slot, and counts in the worker's `abandoned`"

export interface ExecutorPorts {
  /** The slot is free again. */
  readonly onEnd: (attempt: Attempt, ranMs: number) => void
  readonly settle: (claim: Claim, outcome: Outcome) => void
  /** Whether that many attempts hold all slots. */
  readonly isFull: (attempts: number) => boolean
}

interface Step {
  readonly phase: Phase
  /** Answers the attempt's next value, or a promise of it. */
  readonly run: (attempt: Attempt) => unknown
}

/** How often the start of a suspect is told before the job is given back: for about a second. */
const START_TRIES = 6
const START_BACKOFF_MS = 500

export class Executor {
  readonly #env: WorkerEnv
  readonly #claims: Claims
  readonly #ports: ExecutorPorts
  readonly #tools: ContextTools
  readonly #unknown: Unknown
  readonly #completer: Completer
  readonly #recorder: Batcher<HeldLease, ExtendAnswer>
  readonly #around: Middleware[]
  readonly #steps: readonly Step[] = [
    { phase: 'handler', run: (attempt) => this.#findTask(attempt) },
    { phase: 'handler', run: (attempt) => this.#recordStart(attempt) },
    { phase: 'handler', run: (attempt) => this.#runRemotely(attempt) },
    { phase: 'handler', run: (attempt) => this.#begin(attempt) },
    { phase: 'input', run: (attempt) => attempt.task?.readInput(attempt.job.input) },
    { phase: 'handler', run: (attempt) => this.#callHandler(attempt) },
    { phase: 'handler', run: (attempt) => this.#confirm(attempt) },
    { phase: 'output', run: (attempt) => attempt.task?.writeOutput(attempt.value) },
  ]
  readonly notes: Notes
  readonly batches: Batches
  /** Threads and processes, for the tasks that run there. */
  readonly remote: RemoteRuns
  #abandoned = 0
  /** Tasks whose handlers were given up before: what to do about it is said once. */
  readonly #advised = new Set<string>()

  constructor(env: WorkerEnv, claims: Claims, middleware: readonly Middleware[], ports: ExecutorPorts) {
    this.#env = env
    this.#claims = claims
    this.#ports = ports
    this.notes = new Notes(env)
    this.#unknown = new Unknown(env)
    this.#around = middleware.filter(({ run }) => run !== undefined)
    this.#recorder = new Batcher({ run: (leases) => env.broker.extend(leases, env.settings.leaseMs) })
    this.#completer = new Completer(env, this.notes, (lease) => this.#recorder.add(lease))
    this.batches = new Batches(env.clock, {
      isFull: ports.isFull,
      onRun: (attempt) => this.#startTimeout(attempt),
    })
    this.#tools = { clock: env.clock, logger: env.logger, notes: this.notes, completer: this.#completer }
    this.remote = new RemoteRuns(env, this.#tools)
  }

  /** Handlers that still run though their attempts were given up. */
  get abandoned(): number {
    return this.#abandoned
  }

  /** Runs the attempt to its end. Never rejects. */
  async execute(attempt: Attempt): Promise<void> {
    try {
      for (const step of this.#steps) {
        attempt.phase = step.phase
        const value = step.run(attempt)
        attempt.value = isThenable(value) ? await value : value
        if (attempt.ending !== undefined || attempt.ended) break
      }
    } catch (error) {
      this.#failed(attempt, error)
      return
    }
    if (attempt.ended) this.#late(attempt, 'returned')
    else this.#end(attempt, attempt.ending ?? { kind: 'succeeded', result: attempt.value as Payload })
  }

  /** Tells the handler to stop; if it does not within the given time, its attempt ends without it. */
  abort(attempt: Attempt, reason: OffstageError, patienceMs: number): void {
    if (attempt.ended || attempt.aborted !== undefined) return
    attempt.timer?.cancel()
    attempt.timer = this.#env.clock.schedule(patienceMs, () => this.abandon(attempt))
    attempt.abort(reason)
  }

  /** Ends an aborted attempt without its handler, which goes on unheard. */
  abandon(attempt: Attempt): void {
    if (attempt.ended || attempt.aborted === undefined) return
    if (attempt.begun && !attempt.confirming) this.#sayAbandoned(attempt, attempt.aborted)
    this.#end(attempt, abortedEnding(attempt.job, policyOf(attempt), attempt.aborted))
  }

  #sayAbandoned(attempt: Attempt, { code }: OffstageError): void {
    // What runs in a thread or a process is ended with it.
    if (attempt.kill !== undefined) {
      this.#sayKilled(attempt, code)
      return
    }
    attempt.abandoned = true
    this.#abandoned += 1
    const { id, task, queue } = attempt.job
    const advice = this.#advised.has(task) ? '' : ADVICE
    this.#advised.add(task)
    this.#env.logger.warn(
      { job: id, task, queue, reason: code, abandoned: this.#abandoned },
      `a handler did not heed its signal; its attempt was ended without it${advice}`,
    )
  }

  #sayKilled({ job }: Attempt, reason: string): void {
    const text = 'a handler did not heed its signal; its thread or process was ended'
    this.#env.logger.warn({ job: job.id, task: job.task, queue: job.queue, reason }, text)
  }

  // ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #findTask(attempt: Attempt): void {
    attempt.ending = this.#unknown.ending(attempt)
  }

  /**
   * The start of a suspect is recorded before it runs, and while one is held that of every job: if the process dies,
   * whoever killed it is among the recorded, and next time it runs as the only suspect of its process.
   */
  #recordStart(attempt: Attempt): Promise<void> | undefined {
    const { claim, job } = attempt
    if (!job.suspect && (claim.recorded || this.#claims.suspects === 0)) return undefined
    return this.#record(attempt)
  }

  async #record(attempt: Attempt): Promise<void> {
    const { claim } = attempt
    const { id } = claim
    try {
      const answer = await this.#tellStart(attempt)
      attempt.begunAt = this.#env.clock.monotonic()
      if (answer === 'ok') claim.recorded = true
      else attempt.ending = answer === 'cancelling' ? CANCELLED : RELEASED
    } catch (error) {
      this.#env.logger.warn(
        { job: id, error: storedError(error) },
        'the start of a suspect could not be recorded; it is given back',
      )
      await sleep(this.#env.clock, backoffMs(3, 1_000))
      attempt.ending = RELEASED
    }
  }

  /** `away` lasts for a moment where the keeper renews the same lease just then, and for long where a shard is away. */
  async #tellStart(attempt: Attempt): Promise<ExtendAnswer> {
    const { id, token } = attempt.claim
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#recorder.add({ id, token, started: true })
      if (answer !== 'away' || attempt.aborted !== undefined) return answer
      if (tries === START_TRIES) throw new Error('its shard is away, or somebody holds it')
      await sleep(this.#env.clock, backoffMs(tries - 1, START_BACKOFF_MS))
    }
  }

  /** A task of a thread or a process goes the rest of the way there: input, handler and output. */
  #runRemotely(attempt: Attempt): Promise<void> | undefined {
    const remote = attempt.task?.remote
    if (remote === undefined) return undefined
    return this.remote.run(attempt, remote, () => {
      attempt.begunAt = this.#env.clock.monotonic()
      this.#begin(attempt)
    })
  }

  #begin(attempt: Attempt): void {
    if (attempt.aborted !== undefined) {
      attempt.ending = abortedEnding(attempt.job, policyOf(attempt), attempt.aborted)
      return
    }
    attempt.begun = true
    this.#startTimeout(attempt)
    publish('offstage:start', () => attempt.claim.message(this.#env.worker))
  }

  /** The shorter of what the job or its task says and what this worker allows in the queue. */
  #startTimeout(attempt: Attempt): void {
    const { job, task } = attempt
    const ownMs = job.timeoutMs ?? task?.timeoutMs ?? Number.POSITIVE_INFINITY
    const queueMs = queueTimeoutMs(this.#env.settings, job.queue) ?? Number.POSITIVE_INFINITY
    const timeoutMs = Math.min(ownMs, queueMs)
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    const why = queueMs < ownMs ? `, the limit of this worker for queue '${job.queue}'` : ''
    attempt.timer = this.#env.clock.schedule(timeoutMs, () => {
      const text = `the attempt ran longer than ${formatMs(timeoutMs)}${why}`
      this.abort(attempt, new OffstageError('ATTEMPT_TIMEOUT', text), this.#env.settings.abandonAfterMs)
    })
    attempt.claim.limit(timeoutMs + this.#env.settings.abandonAfterMs)
  }

  #callHandler(attempt: Attempt): unknown {
    const { task, value: input } = attempt
    if (task === undefined) return undefined
    const ctx = new JobContext(attempt, this.#tools, input)
    if (this.#around.length === 0) return this.#run(task, attempt, ctx)
    return aroundRun(this.#around, { task: task.name, input, ctx }, async () => this.#run(task, attempt, ctx))
  }

  #run({ name, run, batch }: RunnableTask, attempt: Attempt, ctx: JobContext): unknown {
    if (batch !== undefined) return this.batches.join(name, batch, attempt, ctx)
    return attempt.claim.calling(() => run?.(ctx.input, ctx))
  }

  /** A handler that has called `ctx.complete` has succeeded if its transaction was committed, whatever it returns. */
  #confirm(attempt: Attempt): unknown {
    return attempt.claim.completing === undefined ? attempt.value : this.#confirmed(attempt)
  }

  async #confirmed(attempt: Attempt): Promise<unknown> {
    await attempt.claim.completing
    const { completed } = attempt.claim
    return completed === undefined ? attempt.value : this.#committed(attempt, completed)
  }

  async #committed(attempt: Attempt, { success, value }: Completed): Promise<void> {
    attempt.confirming = true
    attempt.timer?.cancel()
    const { id, task } = attempt.job
    if (!isDeepStrictEqual(attempt.value, value)) {
      const text =
        'a handler returned something else than it had passed to ctx.complete(), which is what was recorded'
      this.#env.logger.warn({ job: id, task }, text)
    }
    const committed = await this.#completer.committed(attempt)
    if (attempt.ended) return
    if (!committed) throw notCommitted(id)
    attempt.ending = { kind: 'succeeded', result: success.result }
  }

  // ── ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #failed(attempt: Attempt, error: unknown): void {
    if (attempt.ended) {
      this.#late(attempt, 'threw', error)
      return
    }
    const { job, aborted, refused, phase } = attempt
    const policy = policyOf(attempt)
    const ending =
      aborted === undefined
        ? failureEnding(job, policy, error, refused !== undefined && error === refused ? 'output' : phase)
        : abortedEnding(job, policy, aborted, { error })
    this.#end(attempt, ending, { error })
  }

  #end(attempt: Attempt, ending: Ending, thrown?: { readonly error: unknown }): void {
    attempt.ended = true
    attempt.timer?.cancel()
    attempt.kill?.()
    const { claim } = attempt
    claim.state = 'ended'
    const now = this.#env.clock.monotonic()
    const heldMs = now - attempt.startedAt
    const ranMs = attempt.begun ? Math.round(now - attempt.begunAt) : undefined
    publish('offstage:end', () => ({
      ...attempt.claim.message(this.#env.worker),
      outcome: ending.kind,
      ranMs: ranMs ?? 0,
      ...thrown,
    }))
    const outcome = outcomeOf(claim, ending, ranMs)
    if (claim.notes === 0) this.#ports.settle(claim, outcome)
    else void this.notes.written(claim).then(() => this.#ports.settle(claim, outcome))
    this.#ports.onEnd(attempt, heldMs)
  }

  /** What a handler says after its attempt was ended is heard by the log alone. */
  #late(attempt: Attempt, verb: 'returned' | 'threw', error?: unknown): void {
    const { job, begun, claim } = attempt
    if (attempt.abandoned) this.#abandoned -= 1
    // What a transaction of its own has made of it, the settler finds out.
    if (!begun || claim.completed !== undefined) return
    this.#env.logger.warn(
      {
        job: job.id,
        task: job.task,
        token: job.token,
        ...(verb === 'threw' ? { error: storedError(error) } : {}),
      },
      `a handler ${verb} after its attempt had been ended; nothing is made of it`,
    )
  }
}

function notCommitted(id: string): OffstageError {
  const message = `ctx.complete() was called for job '${id}' and its transaction was not committed before the handler returned`
  return new OffstageError('TX_NOT_COMMITTED', message)
}

function policyOf({ job, task }: Attempt): typeof defaultRetry {
  return job.retry ?? task?.retry ?? defaultRetry
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { readonly then?: unknown }).then === 'function'
  )
}
