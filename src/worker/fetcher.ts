// Keeps the slots full. While jobs end, the next claim travels with their outcomes; this loop only claims when there
// are none: at the start, when the broker calls, when something falls due, and by poll beneath it all.
import type { Reserved, ReserveRequest } from '../broker/message.ts'
import { Loop } from '../runtime/service.ts'
import type { Claim, Claims } from './claims.ts'
import type { WorkerEnv } from './env.ts'
import type { Settler } from './settler.ts'
import type { Slots } from './slots.ts'
import type { Waker } from './waker.ts'

const MAX_CLAIM = 1_000
/** From so many jobs ahead on they come in two halves. */
const HALVED_FROM = 100
const POLL_MS = 1_000
/** However long the broker was away: with a second for the connection, work goes on within two of its return. */
const MAX_BACKOFF_MS = 1_000
/** Where the broker cannot wake other processes, the poll is all there is; it may say how often. */
const POLL_UNWOKEN_MS = 200
/** After an answer with fewer jobs than there is room for, a last look. */
const LOOK_AGAIN_MS = 5
/** So many hints close upon one another may bring nothing; from then on the reaction to the next is slower. */
const FREE_VAIN = 3
const MAX_VAIN_MS = 10
/** Hints that far apart are no storm. */
const CLOSE_MS = 50

export interface FetcherPorts {
  readonly claims: Claims
  readonly slots: Slots
  readonly waker: Waker
  /** While it is busy, its trips take the claims along. */
  readonly settler: Pick<Settler, 'busy'>
}

export class Fetcher {
  readonly #env: WorkerEnv
  readonly #ports: FetcherPorts
  readonly #loop: Loop
  readonly #pollMs: number
  #rotation = 0
  #underWay = false
  /** The last claim beside the loop. */
  #claimingAhead: Promise<void> | undefined
  #stopped = false
  /** Monotonic: when to look for work next. */
  #lookAt = 0
  /** The last claim asked for no suspect, since one was held. */
  #withoutSuspects = false
  /** The broker called since the last claim left. */
  #woken = false
  #askedByWake = false
  #wokenAt = Number.NEGATIVE_INFINITY
  #vainWakes = 0

  constructor(env: WorkerEnv, ports: FetcherPorts) {
    this.#env = env
    this.#ports = ports
    const { shared, wakesOthers, pollMs = POLL_UNWOKEN_MS } = env.broker.capabilities
    this.#pollMs = env.settings.pollIntervalMs ?? (shared && !wakesOthers ? pollMs : POLL_MS)
    this.#loop = new Loop({
      name: 'fetcher',
      clock: env.clock,
      logger: env.logger,
      turn: () => this.#turn(),
      maxBackoffMs: MAX_BACKOFF_MS,
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Claims nothing any more; resolves when no claim is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#loop.stop()
    await this.#claimingAhead
  }

  /** There may be work: looks for it at once. Errors are waited out nevertheless. */
  wake(): void {
    const now = this.#env.clock.monotonic()
    if (now - this.#wokenAt > CLOSE_MS) this.#vainWakes = 0
    this.#wokenAt = now
    this.#woken = true
    this.#lookAt = now + this.#reactionMs()
    this.nudge()
  }

  /** There may be room again. */
  nudge(): void {
    if (this.#loop.errorsInARow === 0) this.#loop.nudge()
  }

  /** The claim to send with outcomes, if there is room; `settling` are the claims that end with the same trip. */
  next(settling: readonly Claim[]): ReserveRequest | undefined {
    // While claims fail, this loop tries alone and with back-off.
    return this.#loop.errorsInARow > 0 ? undefined : this.#request(settling)
  }

  /** The answer to a claim, or undefined where the trip failed. */
  claimed(request: ReserveRequest, reserved: Reserved | undefined, sentAt: number): void {
    this.#underWay = false
    const { claims, waker } = this.#ports
    const fresh = claims.heard(request)
    if (reserved === undefined) return
    const now = this.#env.clock.monotonic()
    if (reserved.jobs.length > 0 || !this.#askedByWake) this.#vainWakes = 0
    else this.#vainWakes += 1
    // A call that came while the claim was under way may be for a job that the claim has just missed.
    this.#lookAt = now + (this.#woken ? this.#reactionMs() : this.#pauseMs(request, reserved))
    this.#take(request, reserved, sentAt, fresh)
    // Nothing is claimed next that would listen again, and what runs now has to hear of its cancel.
    if (this.#woken && this.#room() === 0) waker.again()
  }

  /** The answer to a claim that had been given up: its jobs are as good as any while their leases live. */
  claimedLate(request: ReserveRequest, reserved: Reserved, sentAt: number): void {
    const { claims, slots } = this.#ports
    this.#take(request, reserved, sentAt, claims.heard(request))
    slots.fill()
  }

  /** A process runs one suspect at a time; a late answer may bring a second one, which is given back. */
  #take(request: ReserveRequest, reserved: Reserved, sentAt: number, fresh: boolean): void {
    const { claims, slots } = this.#ports
    const live = claims.suspects > 0 && [...claims].some(({ job, state }) => job.suspect && state !== 'ended')
    const brought = claims.add(reserved, request.starting, sentAt + request.leaseMs)
    const refused = ({ job }: Claim): boolean => !fresh || (live && job.suspect)
    const usual = fresh && !live
    slots.offer(usual ? brought : brought.filter((claim) => !refused(claim)))
    if (!usual) slots.refuse(brought.filter(refused))
  }

  /** The claim that the slots have room for now; from then on it is under way until `claimed`. */
  #request(settling: readonly Claim[]): ReserveRequest | undefined {
    if (this.#stopped || this.#underWay) return undefined
    const max = this.#room()
    if (max === 0) return undefined
    const { claims, slots, waker } = this.#ports
    this.#askedByWake = this.#woken
    this.#woken = false
    waker.arm()
    this.#underWay = true
    const { leaseMs } = this.#env.settings
    const starting = Math.min(
      max,
      Math.max(0, this.#env.concurrency.now - slots.running.size - slots.waiting),
    )
    const suspects = this.#heldSuspects(settling) === 0 ? 1 : 0
    const request = {
      queues: this.#queues(),
      max,
      leaseMs,
      worker: this.#env.worker,
      starting,
      suspects,
    } as const
    this.#withoutSuspects = suspects === 0
    claims.asking(request)
    return request
  }

  /**
   * Claims the next jobs before those that have just come are started, so that the broker works while they run. Called
   * when an answer has come.
   */
  ahead(): void {
    if (this.#loop.errorsInARow > 0 || this.#ports.slots.waiting === 0) return
    if (this.#ports.settler.busy || this.#lookAt > this.#env.clock.monotonic()) return
    const request = this.#request([])
    if (request === undefined) return
    // The loop sleeps as long as a claim is under way: a hint that came meanwhile is for it. What went wrong is met again
    // there, waited out and said.
    const goOn = (): void => this.#loop.nudge()
    this.#claimingAhead = this.#claim(request).then(goOn, goOn)
  }

  async #turn(): Promise<number> {
    // Another suspect may be there, of which the last claim has not been told.
    if (this.#withoutSuspects && this.#ports.claims.suspects === 0) this.#lookAt = this.#env.clock.monotonic()
    const waitMs = this.#lookAt - this.#env.clock.monotonic()
    if (waitMs > 0) return waitMs
    const request = this.#ports.settler.busy ? undefined : this.#request([])
    if (request === undefined) return this.#pollMs
    await this.#claim(request)
    return Math.max(0, this.#lookAt - this.#env.clock.monotonic())
  }

  async #claim(request: ReserveRequest): Promise<void> {
    const sentAt = this.#env.clock.monotonic()
    try {
      const late = (reserved: Reserved): void => this.claimedLate(request, reserved, sentAt)
      this.claimed(request, await this.#env.broker.reserve(request, late), sentAt)
    } catch (error) {
      this.claimed(request, undefined, sentAt)
      throw error
    }
    this.ahead()
    this.#ports.slots.fill()
  }

  #reactionMs(): number {
    return this.#vainWakes <= FREE_VAIN ? 0 : Math.min(this.#vainWakes, MAX_VAIN_MS)
  }

  #pauseMs({ max, starting }: ReserveRequest, { jobs, nextDueInMs }: Reserved): number {
    // There may be more, and slots may have come free since.
    if (jobs.length >= max) return 0
    const pollMs = this.#pollMs * (0.75 + Math.random() / 4)
    const dueMs = Math.max(1, Math.min(pollMs, nextDueInMs ?? pollMs))
    return jobs.length > 0 && jobs.length < starting ? Math.min(dueMs, LOOK_AGAIN_MS) : dueMs
  }

  /**
   * How many jobs to ask for. With all slots taken and half of what is wanted ahead in hand, there is time; and what is
   * wanted ahead comes in halves, so that one is on its way while the other runs.
   */
  #room(): number {
    const { slots } = this.#ports
    const ahead = slots.ahead()
    const free = this.#env.concurrency.now - slots.running.size - slots.waiting
    const room = free + ahead
    if (room <= 0 || (free <= 0 && room < ahead / 2)) return 0
    const most = ahead < HALVED_FROM ? MAX_CLAIM : Math.max(0, free) + Math.ceil(ahead / 2)
    return Math.min(room, MAX_CLAIM, most)
  }

  #heldSuspects(settling: readonly Claim[]): number {
    const held = this.#ports.claims.suspects
    return held === 0 ? 0 : held - settling.filter(({ job }) => job.suspect).length
  }

  /** Given queues keep their order; the others take turns at being first. */
  #queues(): readonly string[] {
    const { queues, strict } = this.#env.settings
    if (strict || queues.length === 1) return queues
    const first = this.#rotation % queues.length
    this.#rotation += 1
    return [...queues.slice(first), ...queues.slice(0, first)]
  }
}
