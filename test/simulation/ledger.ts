// What is true of every job of a world, kept beside the broker from its calls and answers alone, and the laws that each
// answer is held to. All of it happens at the moment at which a call takes effect.
import { isDeepStrictEqual } from 'node:util'
import type {
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  JobEvent,
  LeaseRef,
  Limit,
  LimitRule,
  Note,
  Outcome,
  Reserved,
  ReservedJob,
  ReserveRequest,
  SettleAnswer,
} from '../../src/broker/contract.ts'
import { countsFailure } from '../../src/broker/outcomes.ts'
import { encodeJson } from '../../src/job/codec.ts'
import type { JobRecord, JobSpec } from '../../src/job/record.ts'
import { isEnded } from '../../src/job/states.ts'
import type { History } from './history.ts'
import { RETRY } from './jobs.ts'
import { type Claimed, isGone, type Known, newJob } from './known.ts'

export class Ledger {
  readonly jobs: Map<string, Known> = new Map()
  readonly #history: History
  /** Broker time. */
  readonly now: () => number
  readonly #claims = new Map<number, Claimed>()
  readonly #limits = new Map<string, Limit>()
  readonly #starts = new Map<string, number[]>()
  readonly #paused = new Set<string>()
  #highest = 0
  /** Workers that nothing happens to any more, by id, and the token from which on they keep what they are given. */
  readonly #sound = new Map<string, number>()

  constructor(history: History, now: () => number) {
    this.#history = history
    this.now = now
  }

  claim(token: number): Claimed | undefined {
    return this.#claims.get(token)
  }

  /** @param queue default all of them */
  unfinished(queue?: string): string[] {
    const open = ({ spec, stored, removed, state }: Known): boolean =>
      stored && !removed && !isEnded(state) && (queue === undefined || spec.queue === queue)
    return [...this.jobs].filter(([, job]) => open(job)).map(([id]) => id)
  }

  /** From now on this worker keeps what it is given, unless something happens to it. */
  setSound(worker: string, sound: boolean): void {
    if (sound) this.#sound.set(worker, this.#highest)
    else this.#sound.delete(worker)
  }

  // ── producers and people ───────────────────────────────────────────────────────────────────────────────────────

  asked(groups: readonly (readonly JobSpec[])[]): void {
    for (const spec of groups.flat()) {
      const job = this.jobs.get(spec.id)
      if (job === undefined) this.jobs.set(spec.id, newJob(spec))
      else job.reviving = isGone(job)
    }
  }

  accepted(groups: readonly (readonly JobSpec[])[], answers: readonly GroupAnswer[]): void {
    for (const [i, group] of groups.entries()) {
      const answer = answers[i]
      if (answer?.ok !== true) {
        this.#broken(`a group was refused: ${answer?.message ?? 'without an answer'}`)
        continue
      }
      for (const [j, spec] of group.entries()) {
        const job = this.jobs.get(spec.id)
        const status = answer.jobs[j]?.status
        if (job === undefined || status === undefined) this.#broken(`${spec.id} was not answered`)
        else if (status === 'enqueued') this.#stored(job, this.now())
        if (job !== undefined) job.reviving = false
      }
    }
  }

  #stored(job: Known, now: number): void {
    const { spec } = job
    if (job.stored && !job.reviving) this.#broken(`${spec.id} was enqueued twice`)
    const { settled, state, wasEnded, wasSucceeded } = job
    Object.assign(job, { ...newJob(spec), settled, state, wasEnded, wasSucceeded, stored: true })
    job.dueAt = spec.runAt ?? now + (spec.delayMs ?? 0)
    job.expiresAt = spec.expiresInMs === undefined ? Number.POSITIVE_INFINITY : now + spec.expiresInMs
    const key = spec.unique?.key
    if (key === undefined) return
    // One that was replaced says so by its event.
    for (const other of this.jobs.values()) {
      if (other === job || other.spec.unique?.key !== key || !other.holdsKey || isEnded(other.state)) continue
      if (spec.unique?.onConflict === 'keep' || other.state === 'active')
        this.#broken(`${spec.id} and ${other.spec.id} both hold the key ${key}`)
    }
    job.holdsKey = true
  }

  cancelled(ids: readonly string[]): void {
    for (const id of ids) {
      const job = this.jobs.get(id)
      if (job === undefined) continue
      if (job.state === 'active') job.cancelling = true
      else job.ending = 'cancelled'
    }
  }

  /** Before a person's wish is carried out: what may follow from it. */
  reviving(ids: readonly string[]): void {
    for (const id of ids) {
      const job = this.jobs.get(id)
      if (job !== undefined) job.reviving = isEnded(job.state)
    }
  }

  revived(ids: readonly string[], done: readonly string[]): void {
    for (const id of ids) {
      const job = this.jobs.get(id)
      if (job === undefined) continue
      job.reviving = false
      if (!done.includes(id)) continue
      const key = job.spec.unique?.key
      Object.assign(job, { failures: 0, crashes: 0, suspect: false, cancelling: false, ending: undefined })
      job.begun = true
      job.dueAt = this.now()
      job.holder = undefined
      job.holdsKey = key !== undefined
      for (const other of this.jobs.values()) {
        if (other === job || key === undefined || other.spec.unique?.key !== key) continue
        if (other.holdsKey && !isEnded(other.state))
          this.#broken(`${id} runs again while ${other.spec.id} holds its key`)
      }
    }
  }

  promoted(ids: readonly string[]): void {
    for (const id of ids) {
      const job = this.jobs.get(id)
      if (job !== undefined) job.dueAt = this.now()
    }
  }

  removed(ids: readonly string[]): void {
    for (const id of ids) {
      const job = this.jobs.get(id)
      if (job !== undefined) Object.assign(job, { removed: true, wasEnded: true })
    }
  }

  paused(queue: string, paused: boolean): void {
    if (paused) this.#paused.add(queue)
    else this.#paused.delete(queue)
  }

  limited(rules: readonly LimitRule[]): void {
    for (const { scope, limit } of rules) {
      const key = scope.kind === 'task' ? `task ${scope.task}` : `${scope.kind} ${scope.queue}`
      if (limit === null) this.#limits.delete(key)
      else if (!isDeepStrictEqual(this.#limits.get(key), limit)) {
        this.#limits.set(key, limit)
        this.#starts.delete(key)
      }
    }
  }

  /** The broker's own events: what it did to jobs, whoever asked for it. */
  heard({ kind, id, state }: JobEvent): void {
    const job = this.jobs.get(id)
    if (job === undefined) this.#broken(`${id} is there and nobody asked for it`)
    if (job === undefined || kind !== 'state') return
    if (isEnded(job.state) && !job.reviving)
      this.#broken(`${id} is ${state} after it had ended as ${job.state}`)
    if (job.state === 'active' && state !== 'active') this.#lapse(job, this.now())
    if (job.state === 'active' && state === 'active') return
    job.state = state
    if (!isEnded(state)) return
    job.wasEnded = true
    job.wasSucceeded ||= state === 'succeeded'
    job.holdsKey = false
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────────────

  reserved(request: ReserveRequest, { jobs, now }: Reserved): void {
    if (jobs.length > request.max) this.#broken(`${jobs.length} jobs were handed out for ${request.max}`)
    const suspects = jobs.filter(({ suspect }) => suspect).length
    if (suspects > request.suspects) this.#broken(`${suspects} suspects were handed out at once`)
    for (const [i, job] of jobs.entries()) {
      const known = this.jobs.get(job.id)
      if (known === undefined) this.#broken(`${job.id} was handed out and nobody asked for it`)
      else this.#handOut(known, job, request, now, i < request.starting && !job.suspect)
    }
  }

  #handOut(
    known: Known,
    job: ReservedJob,
    { worker, leaseMs }: ReserveRequest,
    now: number,
    started: boolean,
  ): void {
    const { id, token } = job
    if (token <= this.#highest)
      this.#broken(`${id} was handed out with token ${token} after ${this.#highest}`)
    this.#highest = Math.max(this.#highest, token)
    this.#lapse(known, now)
    if (known.ending !== undefined) this.#broken(`${id} was handed out after it had ended: ${known.ending}`)
    if (known.dueAt > now) this.#broken(`${id} was handed out ${known.dueAt - now} ms before its time`)
    if (!known.begun && known.expiresAt <= now) this.#broken(`${id} was handed out after its expiry`)
    if (this.#paused.has(job.queue)) this.#broken(`${id} was handed out from the paused queue ${job.queue}`)
    for (const { id: other, when } of known.spec.after ?? []) {
      const needed = this.jobs.get(other)
      const met = when === 'succeeded' ? needed?.wasSucceeded : needed?.wasEnded
      // A person may run it whatever it waits for.
      if (met !== true && !known.begun && needed?.removed === false)
        this.#broken(`${id} was handed out before ${other}, which it waits for, had ${when}`)
    }
    for (const field of ['failures', 'crashes', 'suspect'] as const) {
      if (job[field] !== known[field])
        this.#broken(`${id} was handed out with ${field} ${job[field]}, where it is ${known[field]}`)
    }
    const claimed = {
      job,
      worker,
      until: now + leaseMs,
      started,
      over: false,
      settled: undefined,
      run: undefined,
    }
    this.#claims.set(token, claimed)
    known.holder = claimed
    known.begun ||= started
    if (known.spec.unique?.during === 'waiting') known.holdsKey = false
    this.#checkLimits(known.spec, now)
  }

  /** A held job that is held no more, without an outcome: its lease has ended. */
  #lapse(known: Known, now: number): void {
    const { holder, spec } = known
    if (holder === undefined || holder.over) return
    const { id } = spec
    if (holder.until > now)
      this.#broken(
        `${id} was taken back while token ${holder.job.token} has its lease for another ${holder.until - now} ms`,
      )
    if (holder.job.token > (this.#sound.get(holder.worker) ?? Number.POSITIVE_INFINITY))
      this.#broken(`${id} was taken from a sound worker, which held it`)
    this.#history.add('broker', 'lapsed', id, holder.job.token, holder.started ? 'started' : 'not started')
    holder.over = true
    if (holder.started && known.suspect) {
      known.crashes += 1
      if (known.crashes >= spec.maxCrashes) known.ending = 'failed'
    }
    known.suspect ||= holder.started
    if (known.cancelling) known.ending = 'cancelled'
    known.cancelling = false
  }

  #checkLimits(spec: JobSpec, now: number): void {
    const of = ({ task, queue, partition }: JobSpec, key: string): boolean =>
      key === `task ${task}` || (key === `partition ${queue}` && partition === spec.partition)
    for (const key of [`task ${spec.task}`, `partition ${spec.queue}`]) {
      const limit = this.#limits.get(key)
      if (limit === undefined || !of(spec, key)) continue
      const { concurrency, rate } = limit
      if (concurrency !== undefined) {
        const active = [...this.jobs.values()].filter(
          (other) => of(other.spec, key) && other.holder?.over === false && other.holder.until > now,
        ).length
        if (active > concurrency)
          this.#broken(`${active} jobs of ${key} are active, where ${concurrency} may be`)
      }
      if (rate !== undefined) {
        const starts = [...(this.#starts.get(key) ?? []), now].filter((at) => at > now - rate.perMs)
        this.#starts.set(key, starts)
        if (starts.length > rate.count)
          this.#broken(`${starts.length} starts of ${key} within ${rate.perMs} ms`)
      }
    }
  }

  extended(lease: HeldLease, leaseMs: number, answer: ExtendAnswer | undefined): void {
    const claimed = this.#answeredAsHeld(lease, answer !== 'lost', 'extend')
    if (claimed === undefined || answer === 'lost') return
    claimed.until = Math.max(claimed.until, this.now() + leaseMs)
    if (lease.started) this.started(lease)
    const cancelling = this.jobs.get(lease.id)?.cancelling === true
    if (cancelling !== (answer === 'cancelling')) this.#broken(`${lease.id} was answered ${answer} to extend`)
  }

  started(lease: LeaseRef): void {
    const known = this.jobs.get(lease.id)
    const claimed = this.#claims.get(lease.token)
    if (known === undefined || claimed === undefined || known.holder !== claimed || claimed.over) return
    claimed.started = true
    known.begun = true
  }

  wrote(note: Note, answer: 'ok' | 'lost' | undefined): void {
    this.#answeredAsHeld(note, answer === 'ok', 'write')
    if (answer === 'ok') this.#notAfterLoss(note, 'a note')
  }

  settled(outcome: Outcome, answer: SettleAnswer | undefined): void {
    const { id, token, kind } = outcome
    const known = this.jobs.get(id)
    const claimed = this.#claims.get(token)
    if (known === undefined || claimed === undefined || claimed.job.id !== id) {
      this.#broken(`an outcome of ${id} has token ${token}, which it never had`)
      return
    }
    if (claimed.settled === kind) {
      // Of earlier ones the broker may have forgotten, or not.
      if (answer !== 'ok' && known.settled === token)
        this.#broken(`${kind} of ${id} was recorded, and its repeat was answered ${answer}`)
      return
    }
    if (this.#answeredAsHeld(outcome, answer === 'ok', `settle ${kind}`) === undefined || answer !== 'ok')
      return
    claimed.over = true
    claimed.settled = kind
    known.settled = token
    this.#notAfterLoss(outcome, `the outcome ${kind}`)
    this.#checkOutcome(known, claimed, outcome)
    this.#follow(known, outcome)
  }

  #follow(known: Known, outcome: Outcome): void {
    const { kind } = outcome
    // Until the broker's event says where it went.
    known.state = 'ready'
    known.suspect = false
    known.begun ||= outcome.ranMs !== undefined
    if (countsFailure(outcome)) known.failures += 1
    if (kind === 'succeeded') known.ending = 'succeeded'
    else if (known.cancelling) known.ending = 'cancelled'
    else if (kind === 'failed' || kind === 'cancelled') known.ending = kind
    else if ('delayMs' in outcome) known.dueAt = this.now() + outcome.delayMs
    if (known.ending !== undefined) known.cancelling = false
  }

  /** An outcome is what the handler did, and no other. */
  #checkOutcome(known: Known, { run }: Claimed, outcome: Outcome): void {
    const { id, kind } = outcome
    const broken = (what: string): void => this.#broken(`${kind} of ${id} was recorded, and ${what}`)
    const timedOut = run?.aborted === 'ATTEMPT_TIMEOUT' || known.spec.timeoutMs !== undefined
    if (run === undefined) {
      if (kind === 'succeeded' || kind === 'retry' || kind === 'snoozed') broken('it was never run')
      if (kind === 'released' && outcome.ranMs !== undefined) broken('it was never run')
      return
    }
    if (kind === 'succeeded') {
      if (run.end !== 'returned') broken('its handler did not return')
      else if (!isDeepStrictEqual(encodeJson(run.value).bytes, outcome.result.bytes))
        broken('its handler returned something else')
    } else if (kind === 'retry') {
      if (run.end !== 'threw' && !timedOut) broken('its handler did not throw')
      if (known.failures + known.crashes + 1 >= RETRY.attempts) broken('it had no attempt left')
    } else if (kind === 'released') {
      if (outcome.ranMs === undefined) broken('its handler had begun')
      if (run.end === 'returned' && run.aborted === undefined) broken('its handler had returned')
    } else if (kind === 'cancelled') {
      if (!known.cancelling) broken('nobody had asked for it')
    } else if (kind === 'failed' && outcome.reason === 'attempts-exhausted') {
      if (known.failures + known.crashes + 1 < RETRY.attempts) broken('it had attempts left')
    }
  }

  /** Answers the claim where the broker may take something from it; the answer must fit. */
  #answeredAsHeld({ id, token }: LeaseRef, taken: boolean, what: string): Claimed | undefined {
    const known = this.jobs.get(id)
    const claimed = this.#claims.get(token)
    if (claimed === undefined) {
      this.#broken(`${what} of ${id} has token ${token}, which nobody was given`)
      return undefined
    }
    const holds = known?.holder === claimed && !claimed.over && known.state === 'active'
    if (taken && !holds) this.#broken(`${what} of ${id} was taken with the old token ${token}`)
    if (!taken && holds && claimed.until > this.now())
      this.#broken(`${what} of ${id} with the live token ${token} was refused`)
    return holds ? claimed : undefined
  }

  #notAfterLoss({ id, token }: LeaseRef, what: string): void {
    if (this.#claims.get(token)?.run?.aborted === 'LEASE_LOST')
      this.#broken(`${what} of ${id} was taken from an attempt that had been told LEASE_LOST`)
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What has to hold when all is done and nobody works any more. */
  checkEnd(id: string, record: JobRecord | undefined): void {
    const job = this.jobs.get(id)
    if (job === undefined) return
    const { ending } = job
    if (!job.stored) return
    if (record === undefined) {
      if (!isGone(job)) this.#broken(`${id} was accepted and is gone`)
      return
    }
    if (!isEnded(record.state)) this.#broken(`${id} is ${record.state} at the end`)
    if (ending !== undefined && ending !== record.state)
      this.#broken(`${id} is ${record.state}, but ${ending} was accepted`)
    if (record.state === 'succeeded' && ending === undefined) this.#broken(`${id} succeeded by itself`)
    if (record.failures !== job.failures)
      this.#broken(`${id} has ${record.failures} failures, and ${job.failures} were accepted`)
    if (record.crashes !== job.crashes)
      this.#broken(`${id} has ${record.crashes} crashes, and was lost ${job.crashes} times as a suspect`)
  }

  #broken(law: string): void {
    this.#history.broken(law)
  }
}
