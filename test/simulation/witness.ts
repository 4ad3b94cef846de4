// Stands at the broker's door: every call of a world takes effect here, is told to the ledger, and is answered. Nothing
// is delayed here, so that what is told is what was true at that moment.
import type {
  Broker,
  ExtendAnswer,
  GroupAnswer,
  HeldLease,
  JobEvent,
  JobSelection,
  LimitRule,
  Note,
  Reserved,
  ReserveRequest,
  SelectionAnswer,
  Settled,
  SettleRequest,
} from '../../src/broker/contract.ts'
import type { JobSpec } from '../../src/job/record.ts'
import { wrap } from '../support/broken-brokers.ts'
import type { History } from './history.ts'
import type { Ledger } from './ledger.ts'

type Ids = { readonly ids: readonly string[] }

export class Witness {
  readonly #broker: Broker
  readonly #ledger: Ledger
  readonly #history: History
  readonly #closed = new AbortController()
  /** What the broker said of jobs and the ledger has not heard. */
  #events: JobEvent[] = []
  /** The broker as it is seen from its door. */
  readonly broker: Broker

  constructor(broker: Broker, ledger: Ledger, history: History) {
    this.#broker = broker
    this.#ledger = ledger
    this.#history = history
    this.broker = wrap(broker, {
      enqueue: (groups) => this.#enqueue(groups),
      reserve: (request) => this.#reserve(request),
      settle: (request) => this.#settle(request),
      extend: (leases, leaseMs) => this.#extend(leases, leaseMs),
      write: (notes) => this.#write(notes),
      maintain: () => this.#maintain(),
      limit: (rules) => this.#limit(rules),
      pause: (queue, paused) => this.#pause(queue, paused),
      cancel: (selection) => this.#cancel(selection),
      retry: (selection) => this.#retry(selection),
      promote: (selection) => this.#promote(selection),
      remove: (selection) => this.#remove(selection),
    })
  }

  async open(): Promise<void> {
    await this.#broker.open()
    void this.#broker.events((events) => void this.#events.push(...events), this.#closed.signal)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#broker.close()
  }

  /** The broker tells of its events a few microtasks after its answer. */
  async #hear(): Promise<void> {
    for (let i = 0; i < 4; i += 1) await undefined
    for (const event of this.#events.splice(0)) this.#ledger.heard(event)
  }

  async #enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    this.#ledger.asked(groups)
    const answers = await this.#broker.enqueue(groups)
    await this.#hear()
    this.#ledger.accepted(groups, answers)
    for (const [i, group] of groups.entries()) {
      const answer = answers[i]
      const facts = answer?.ok === true ? answer.jobs.map(({ status }) => status) : ['refused']
      this.#history.add('broker', 'enqueue', group.map(({ id }) => id).join(), facts.join())
    }
    return answers
  }

  async #reserve(request: ReserveRequest): Promise<Reserved> {
    const reserved = await this.#broker.reserve(request)
    await this.#hear()
    this.#reserved(request, reserved)
    return reserved
  }

  #reserved(request: ReserveRequest, reserved: Reserved): void {
    for (const { id, token, suspect } of reserved.jobs)
      this.#history.add('broker', 'claim', id, token, suspect ? 'suspect' : undefined)
    this.#ledger.reserved(request, reserved)
  }

  async #settle(request: SettleRequest): Promise<Settled> {
    const settled = await this.#broker.settle(request)
    for (const lease of request.started ?? []) this.#ledger.started(lease)
    for (const [i, outcome] of request.outcomes.entries()) {
      const { kind, id, token } = outcome
      this.#history.add('broker', `settle ${kind}`, id, token, settled.answers[i])
      this.#ledger.settled(outcome, settled.answers[i])
    }
    await this.#hear()
    const { next } = settled
    if (request.next !== undefined && next !== undefined) this.#reserved(request.next, next)
    return settled
  }

  async #extend(leases: readonly HeldLease[], leaseMs: number): Promise<readonly ExtendAnswer[]> {
    const answers = await this.#broker.extend(leases, leaseMs)
    for (const [i, lease] of leases.entries()) {
      this.#history.add('broker', 'extend', lease.id, lease.token, answers[i])
      this.#ledger.extended(lease, leaseMs, answers[i])
    }
    await this.#hear()
    return answers
  }

  async #write(notes: readonly Note[]): Promise<readonly ('ok' | 'lost')[]> {
    const answers = await this.#broker.write(notes)
    for (const [i, note] of notes.entries()) {
      this.#history.add('broker', `write ${note.kind}`, note.id, note.token, answers[i])
      this.#ledger.wrote(note, answers[i])
    }
    return answers
  }

  async #maintain(): ReturnType<Broker['maintain']> {
    const report = await this.#broker.maintain()
    await this.#hear()
    return report
  }

  async #limit(rules: readonly LimitRule[]): Promise<void> {
    await this.#broker.limit(rules)
    this.#ledger.limited(rules)
  }

  async #pause(queue: string, paused: boolean): Promise<void> {
    await this.#broker.pause(queue, paused)
    this.#ledger.paused(queue, paused)
  }

  async #cancel(selection: JobSelection): Promise<SelectionAnswer> {
    const answer = await this.#broker.cancel(selection)
    this.#ledger.cancelled(answer.done)
    await this.#hear()
    return answer
  }

  async #retry(selection: JobSelection): Promise<SelectionAnswer> {
    const { ids } = selection as Ids
    this.#ledger.reviving(ids)
    const answer = await this.#broker.retry(selection)
    await this.#hear()
    this.#ledger.revived(ids, answer.done)
    return answer
  }

  async #promote(selection: JobSelection): Promise<SelectionAnswer> {
    const answer = await this.#broker.promote(selection)
    await this.#hear()
    this.#ledger.promoted(answer.done)
    return answer
  }

  async #remove(selection: JobSelection): Promise<SelectionAnswer> {
    const answer = await this.#broker.remove(selection)
    await this.#hear()
    this.#ledger.removed(answer.done)
    return answer
  }
}
