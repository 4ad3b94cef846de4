// What a process must not do, by what it sends and what it has been told: the laws that its own code is held to,
// whatever the broker would have made of it.
import type { HeldLease, Note, ReservedJob, SettleRequest } from '../../src/broker/contract.ts'
import type { History } from './history.ts'
import type { Run } from './known.ts'
import type { Ledger } from './ledger.ts'

/** How often a part of a worker may ask within a second while every call is refused. */
const MAX_TRIES = 20
/** What handlers say leaves as often as they say it. */
const PATIENT: ReadonlySet<string> = new Set(['reserve', 'settle', 'extend', 'maintain', 'beat'])

/** A worker waits a little longer than this for an answer, and does not hear what comes later. */
const GIVEN_UP_MS = 29_000

interface Sent {
  /** What has been asked to be recorded. */
  readonly kind: string
  /** `late`: when its sender may have given it up. */
  answered: 'no' | 'late' | 'yes'
}

export class Conduct {
  readonly #who: string
  readonly #history: History
  readonly #ledger: Ledger
  /** By token. */
  readonly #sent = new Map<number, Sent>()
  readonly #running = new Set<Run>()
  /** Virtual times of the last refusals of each call. */
  readonly #refusals = new Map<string, number[]>()
  /** It was told to stop. */
  stopping = false
  /** It said that it has stopped. */
  stopped = false
  /** It stood still, or time was moved under it: it may run what is not its own any more. */
  excused = false

  constructor(who: string, history: History, ledger: Ledger) {
    this.#who = who
    this.#history = history
    this.#ledger = ledger
  }

  /** Before anything leaves. */
  called(name: string): void {
    // Its farewell goes out when it can.
    if (this.stopped && name !== 'leave') this.#broken(`called ${name} after it had stopped`)
    if (this.stopping && name === 'reserve') this.#broken('claimed after it was told to stop')
  }

  /** While it is cut off. */
  refused(name: string, at: number): void {
    if (!PATIENT.has(name)) return
    const times = [...(this.#refusals.get(name) ?? []), at].filter((time) => time > at - 1_000)
    this.#refusals.set(name, times)
    if (times.length > MAX_TRIES) this.#broken(`tried ${name} ${times.length} times within a second, cut off`)
  }

  settling({ outcomes, next }: SettleRequest): void {
    if (this.stopping && next !== undefined) this.#broken('claimed after it was told to stop')
    for (const { id, token, kind } of outcomes) {
      const before = this.#sent.get(token)
      if (before === undefined) this.#sent.set(token, { kind, answered: 'no' })
      else if (before.answered === 'yes')
        this.#broken(`sent ${kind} of ${id} after its outcome had been answered`)
      else if (before.kind !== kind) this.#broken(`sent ${kind} of ${id} after ${before.kind}`)
    }
  }

  /** @param afterMs how long the answer took */
  settled({ outcomes }: SettleRequest, afterMs: number): void {
    for (const { token } of outcomes) {
      const sent = this.#sent.get(token)
      if (sent !== undefined && sent.answered !== 'yes')
        sent.answered = afterMs < GIVEN_UP_MS ? 'yes' : 'late'
    }
  }

  /** The worker said that it does not send an outcome again. */
  gaveUp(token: unknown): void {
    const sent = this.#sent.get(token as number)
    if (sent !== undefined) sent.answered = 'late'
  }

  extending(leases: readonly HeldLease[]): void {
    for (const { id, token } of leases)
      if (this.#sent.get(token)?.answered === 'yes')
        this.#broken(`renewed ${id}, which it does not hold any more`)
  }

  writing(notes: readonly Note[]): void {
    for (const { id, token, kind } of notes)
      if (this.#sent.has(token)) this.#broken(`wrote ${kind} of ${id} after it had sent its outcome`)
  }

  /** Outcomes that it has sent, and has neither heard an answer of nor given up. */
  get unanswered(): number {
    let count = 0
    for (const { answered } of this.#sent.values()) if (answered === 'no') count += 1
    return count
  }

  /** A handler begins. */
  began(run: Run): void {
    const { job, until, over } = run.claimed
    const { id, token } = job
    if (this.stopped) this.#broken(`ran ${id} after it had stopped`)
    const now = this.#ledger.now()
    if (!this.excused && (over || until <= now))
      this.#broken(`ran ${id} with token ${token}, whose lease was over`)
    for (const other of this.#running) if (this.#isOver(other)) this.#running.delete(other)
    const suspects = [...this.#running].filter(({ claimed }) => claimed.job.suspect)
    if (job.suspect && suspects.length > 0)
      this.#broken(`ran the suspect ${id} beside the suspect ${suspects[0]?.claimed.job.id}`)
    if ((job.suspect || suspects.length > 0) && !run.claimed.started && !over)
      this.#broken(`ran ${id} beside a suspect, or as one, before its start was recorded`)
    this.#running.add(run)
  }

  #isOver({ end, claimed }: Run): boolean {
    return end !== undefined || this.#sent.has(claimed.job.token)
  }

  #broken(what: string): void {
    this.#history.broken(`${this.#who} ${what}`)
  }
}

/** A handler is given what the broker has handed out. */
export function sameJob(job: ReservedJob, id: string, input: unknown): boolean {
  return job.id === id && (input as { readonly id: unknown }).id === id
}
