// Brings outcomes to the broker: at once when nothing is under way, else together with all that ended meanwhile, and
// with the claim of the next jobs in the same trip. An outcome is repeated until the broker has answered it.
import type { LeaseRef, Outcome, Reserved, ReserveRequest, SettleAnswer, Settled } from '../broker/message.ts'
import { storedError } from '../job/stored-error.ts'
import { type ChannelMessages, publish } from '../runtime/channels.ts'
import type { Timer } from '../runtime/clock.ts'
import type { Attempt } from './attempt.ts'
import type { Claim, Claims, Completed } from './claims.ts'
import { backoffMs, type WorkerEnv } from './env.ts'

const MAX_TRIP = 1_000
const MAX_BACKOFF_MS = 1_000
/** A prefetched job that still runs after this is reported as started by a trip of its own. */
const ANNOUNCE_MS = 20
const STOPPED = 'the worker stopped'

export interface SettlerPorts {
  readonly running: ReadonlySet<Attempt>
  /** The next claim, if one is wanted; `settling` are claims that end with the same trip. */
  readonly nextClaim: (settling: readonly Claim[]) => ReserveRequest | undefined
  readonly claimed: (request: ReserveRequest, reserved: Reserved | undefined, sentAt: number) => void
  /** The trip that took the claim along was given up, and has been answered after all. */
  readonly claimedLate: (request: ReserveRequest, reserved: Reserved, sentAt: number) => void
  /** Something may have changed: room for a claim, work to start. */
  readonly onAnswer: () => void
}

export class Settler {
  readonly #env: WorkerEnv
  readonly #claims: Claims
  readonly #ports: SettlerPorts
  #waitingClaims: Claim[] = []
  #waitingOutcomes: Outcome[] = []
  #underWay = false
  #planned = false
  #announcing: Timer | undefined
  #retry: Timer | undefined
  #errorsInARow = 0
  /** Outcomes whose shards are away, until they are tried again. The others go on meanwhile. */
  #away: { readonly claim: Claim; readonly outcome: Outcome }[] = []
  #awayTimer: Timer | undefined
  #awayInARow = 0
  #maxTrip = MAX_TRIP
  #lastOkAt = Number.NEGATIVE_INFINITY
  #flushed: (() => void)[] = []
  #stopped = false

  constructor(env: WorkerEnv, claims: Claims, ports: SettlerPorts) {
    this.#env = env
    this.#claims = claims
    this.#ports = ports
  }

  /** The broker refused the last trip: no claim travels with the next one. */
  get #failing(): boolean {
    return this.#errorsInARow > 0
  }

  /** The next trip will take the next claim along. */
  get busy(): boolean {
    return this.#underWay || this.#waitingOutcomes.length > 0
  }

  add(claim: Claim, outcome: Outcome): void {
    claim.state = 'ended'
    if (this.#stopped) {
      this.#giveUp(claim, STOPPED)
      return
    }
    this.#waitingClaims.push(claim)
    this.#waitingOutcomes.push(outcome)
    this.#plan()
  }

  /** Leaves now with what there is, and sees to it that the start of what runs on gets recorded. */
  depart(): void {
    if (this.#waitingOutcomes.length > 0) this.#leave()
    if (this.#announcing === undefined && this.#unrecorded().length > 0) {
      this.#announcing = this.#env.clock.schedule(ANNOUNCE_MS, () => {
        this.#announcing = undefined
        this.#leave()
      })
    }
  }

  /** Resolves when no claim is left: every one had its outcome answered. */
  flush(): Promise<void> {
    if (this.#claims.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** Ends its timers. What was not answered by now is named in the log: those jobs run again when their leases end. */
  stop(): void {
    this.#stopped = true
    this.#announcing?.cancel()
    this.#retry?.cancel()
    this.#retry = undefined
    this.#awayTimer?.cancel()
    const lost = [...this.#waitingClaims.splice(0), ...this.#away.splice(0).map(({ claim }) => claim)]
    this.#waitingOutcomes = []
    for (const claim of lost) this.#giveUp(claim, STOPPED)
  }

  #plan(): void {
    if (this.#underWay || this.#planned || this.#retry !== undefined) return
    this.#planned = true
    setImmediate(() => {
      this.#planned = false
      this.#leave()
    })
  }

  #leave(): void {
    if (this.#underWay || this.#stopped || this.#retry !== undefined) return
    const claims = this.#waitingClaims
    const outcomes = this.#waitingOutcomes
    if (outcomes.length > this.#maxTrip) {
      this.#waitingClaims = claims.splice(this.#maxTrip)
      this.#waitingOutcomes = outcomes.splice(this.#maxTrip)
    } else {
      this.#waitingClaims = []
      this.#waitingOutcomes = []
    }
    const started = this.#unrecorded()
    if (outcomes.length === 0 && started.length === 0) return
    void this.#trip(claims, outcomes, started)
  }

  async #trip(claims: Claim[], outcomes: Outcome[], started: readonly Claim[]): Promise<void> {
    const { broker, clock } = this.#env
    const next = this.#failing ? undefined : this.#ports.nextClaim(claims)
    const sentAt = clock.monotonic()
    this.#underWay = true
    try {
      // Late answers to outcomes are not needed: they have been, or are being, repeated.
      const late = (settled: Settled): void => {
        if (next !== undefined && settled.next !== undefined)
          this.#ports.claimedLate(next, settled.next, sentAt)
      }
      const settled = await broker.settle({ outcomes, started: started.map(leaseRef), next }, late)
      if (settled.answers.length !== outcomes.length)
        throw new Error(`${outcomes.length} outcomes got ${settled.answers.length} answers`)
      this.#answered(claims, outcomes, settled.answers)
      for (const claim of started) claim.recorded = true
      if (next !== undefined) this.#ports.claimed(next, settled.next, sentAt)
    } catch (error) {
      if (next !== undefined) this.#ports.claimed(next, undefined, sentAt)
      this.#failed(claims, outcomes, error)
    }
    this.#underWay = false
    this.#after()
  }

  /** The broker gets what has ended meanwhile before this thread turns to the next jobs. */
  #after(): void {
    if (this.#waitingOutcomes.length > 0) this.#leave()
    if (this.#claims.size === 0) for (const resolve of this.#flushed.splice(0)) resolve()
    this.#ports.onAnswer()
  }

  #answered(claims: readonly Claim[], outcomes: readonly Outcome[], answers: readonly SettleAnswer[]): void {
    if (this.#failing) this.#env.logger.info({ errors: this.#errorsInARow }, 'outcomes are recorded again')
    this.#errorsInARow = 0
    this.#maxTrip = Math.min(MAX_TRIP, this.#maxTrip * 2)
    this.#lastOkAt = this.#env.clock.monotonic()
    let away = 0
    for (let i = 0; i < claims.length; i += 1) {
      const claim = claims[i] as Claim
      const outcome = outcomes[i] as Outcome
      const answer = answers[i] as SettleAnswer
      if (answer === 'away') {
        if (claim.completed === undefined) away += 1
        this.#putAside(claim, outcome)
        continue
      }
      if (answer === 'lost' && claim.completed !== undefined && outcome.kind !== 'succeeded') {
        this.#askForSuccess(claim, claim.completed, outcome)
        continue
      }
      this.#claims.delete(claim)
      publish('offstage:settle', () => this.#message(claim, outcome.kind, answer))
      if (answer === 'lost') this.#lost(claim, outcome)
      else if (claim.overruled !== undefined) this.#overruled(claim)
    }
    if (this.#away.length > 0) this.#tryAgainLater(away)
    else this.#awayInARow = 0
  }

  /**
   * The job has ended, or its lease was lost. What was recorded in the handler's own transaction answers ok again if it
   * was committed, and cannot be recorded by this: the lease is gone.
   */
  #askForSuccess(claim: Claim, { success }: Completed, outcome: Outcome): void {
    claim.overruled = outcome.kind
    this.#waitingClaims.push(claim)
    this.#waitingOutcomes.push(success)
  }

  #overruled(claim: Claim): void {
    const { id, task, queue } = claim.job
    this.#env.logger.warn(
      { job: id, task, queue, token: claim.token, outcome: claim.overruled },
      'an attempt did not end well after its own transaction had been committed: its job has succeeded',
    )
  }

  #putAside(claim: Claim, outcome: Outcome): void {
    if (this.#stopped) this.#giveUp(claim, STOPPED)
    else this.#away.push({ claim, outcome })
  }

  #tryAgainLater(outcomes: number): void {
    if (this.#stopped || this.#awayTimer !== undefined) return
    this.#awayInARow += 1
    const level = this.#awayInARow === 1 && outcomes > 0 ? 'error' : 'debug'
    const why = outcomes > 0 ? 'their shard is away' : 'the transactions of their handlers are still open'
    this.#env.logger[level]({ outcomes }, `outcomes could not be recorded since ${why}`)
    this.#awayTimer = this.#env.clock.schedule(backoffMs(this.#awayInARow, MAX_BACKOFF_MS), () => {
      this.#awayTimer = undefined
      for (const { claim, outcome } of this.#away.splice(0)) {
        this.#waitingClaims.push(claim)
        this.#waitingOutcomes.push(outcome)
      }
      this.#plan()
    })
  }

  #lost(claim: Claim, outcome: Outcome): void {
    // What was given back unstarted may well have lost its lease on the way; nothing was done in vain.
    if (outcome.kind === 'released' && outcome.ranMs === undefined) return
    const { id, task, queue } = claim.job
    this.#env.logger.warn(
      { job: id, task, queue, token: claim.token, outcome: outcome.kind },
      'the lease of a job was lost before its outcome was recorded: it runs again or has ended elsewhere',
    )
  }

  /** The batch goes to the end of the line and gets smaller, so that one bad outcome cannot hold the others. */
  #failed(claims: readonly Claim[], outcomes: readonly Outcome[], error: unknown): void {
    const { clock, logger, settings } = this.#env
    this.#errorsInARow += 1
    if (this.#errorsInARow > 1) this.#maxTrip = Math.max(1, Math.ceil(claims.length / 2))
    const level = this.#errorsInARow === 1 ? 'error' : 'debug'
    const facts = { outcomes: outcomes.length, errors: this.#errorsInARow, error: storedError(error) }
    logger[level](facts, 'outcomes could not be recorded and are tried again')
    const now = clock.monotonic()
    for (const [i, claim] of claims.entries()) {
      if (this.#stopped) {
        this.#giveUp(claim, STOPPED)
        continue
      }
      claim.triedAt ??= now
      // Others got through since, or its lease was renewed: it is this outcome that the broker cannot take.
      const answeredAt = Math.max(this.#lastOkAt, claim.leaseEnds(now) - settings.leaseMs)
      if (answeredAt > claim.triedAt) {
        claim.refusedAt ??= now
        if (now - claim.refusedAt > settings.leaseMs && answeredAt > claim.refusedAt) {
          this.#giveUp(claim, 'the broker took others and refused this one for the length of a lease')
          continue
        }
      }
      this.#waitingClaims.push(claim)
      this.#waitingOutcomes.push(outcomes[i] as Outcome)
    }
    if (this.#stopped) return
    this.#retry = clock.schedule(backoffMs(this.#errorsInARow, MAX_BACKOFF_MS), () => {
      this.#retry = undefined
      this.#leave()
    })
  }

  #giveUp(claim: Claim, why: string): void {
    this.#claims.delete(claim)
    const { id, task, queue } = claim.job
    this.#env.logger.error(
      { job: id, task, queue, token: claim.token },
      `an outcome was not recorded: ${why}`,
    )
    publish('offstage:settle', () => this.#message(claim, 'given-up', 'lost'))
  }

  #unrecorded(): Claim[] {
    const found: Claim[] = []
    for (const { claim } of this.#ports.running) if (!claim.recorded) found.push(claim)
    return found
  }

  #message(claim: Claim, outcome: string, answer: 'ok' | 'lost'): ChannelMessages['offstage:settle'] {
    return { ...claim.message(this.#env.worker), outcome, answer }
  }
}

function leaseRef({ id, token }: Claim): LeaseRef {
  return { id, token }
}
