// Transactions over a broker that has none: what happens in one is kept aside until its commit. Enough to show what
// clients and workers make of a transaction; the brokers that have real ones are held to the laws.
import type { Broker, ExtendAnswer, SettleAnswer } from '../../src/broker/contract.ts'
import type { Success, TransactingBroker } from '../../src/broker/transacting.ts'
import { OffstageError } from '../../src/errors/error.ts'
import type { JobSpec } from '../../src/job/record.ts'

export class FakeTransaction {
  state: 'open' | 'committed' | 'rolled back' = 'open'
  readonly groups: (readonly JobSpec[])[] = []
  readonly successes: Success[] = []
  readonly #broker: Broker

  constructor(broker: Broker) {
    this.#broker = broker
  }

  /** For the types: it looks like a client. */
  query(): Promise<never> {
    return Promise.reject(new Error('the fake takes no statements'))
  }

  async commit(): Promise<void> {
    await this.#broker.enqueue(this.groups)
    if (this.successes.length > 0) await this.#broker.settle({ outcomes: this.successes })
    this.state = 'committed'
  }

  rollback(): void {
    this.state = 'rolled back'
  }
}

/** The broker with transactions; `begin` starts one. */
export class FakeTransactions {
  readonly broker: TransactingBroker
  readonly #inner: Broker
  readonly #all: FakeTransaction[] = []

  /** Successes that were recorded inside transactions that were committed. */
  get recorded(): number {
    return this.#all.filter(({ state }) => state === 'committed').flatMap(({ successes }) => successes).length
  }

  constructor(inner: Broker) {
    this.#inner = inner
    const own: Partial<TransactingBroker> = {
      capabilities: { ...inner.capabilities, transactions: true },
      enqueueWithin: async (tx, groups) => {
        open(tx).groups.push(...groups)
        return groups.map((group) => ({
          ok: true,
          jobs: group.map(({ id }) => ({ status: 'enqueued', id })),
        }))
      },
      settleWithin: (tx, success) => this.#settleWithin(open(tx), success),
      extend: async (leases, leaseMs) => {
        const held = leases.filter(({ token }) => !this.#locked(token))
        const answers = [...(await inner.extend(held, leaseMs))]
        return leases.map(
          ({ token }): ExtendAnswer => (this.#locked(token) ? 'away' : (answers.shift() ?? 'lost')),
        )
      },
      settle: async (request) => {
        const outcomes = request.outcomes.filter(({ token }) => !this.#locked(token))
        const settled = await inner.settle({ ...request, outcomes })
        const answers = [...settled.answers]
        const all = request.outcomes.map(
          ({ token }): SettleAnswer => (this.#locked(token) ? 'away' : (answers.shift() ?? 'lost')),
        )
        return { ...settled, answers: all }
      },
    }
    this.broker = new Proxy(inner, {
      get: (target, name) => {
        const member: unknown = Reflect.get(name in own ? own : target, name)
        return typeof member === 'function' ? member.bind(name in own ? own : target) : member
      },
      set: (_, name, value) => Reflect.set(own, name, value),
      has: (target, name) => name in own || name in target,
    }) as TransactingBroker
  }

  begin(): FakeTransaction {
    const tx = new FakeTransaction(this.#inner)
    this.#all.push(tx)
    return tx
  }

  /** Runs the work in a transaction as libraries do: committed when it resolves, rolled back when it rejects. */
  async run<T>(work: (tx: FakeTransaction) => Promise<T>): Promise<T> {
    const tx = this.begin()
    try {
      const result = await work(tx)
      await tx.commit()
      return result
    } catch (error) {
      tx.rollback()
      throw error
    }
  }

  async #settleWithin(tx: FakeTransaction, success: Success): Promise<'ok' | 'lost'> {
    const [answer] = await this.#inner.extend([{ ...success, started: true }], 60_000)
    if (this.#locked(success.token) || answer === 'lost') return 'lost'
    tx.successes.push(success)
    return 'ok'
  }

  #locked(token: number): boolean {
    return this.#all.some(
      ({ state, successes }) => state === 'open' && successes.some((success) => success.token === token),
    )
  }
}

function open(tx: unknown): FakeTransaction {
  if (tx instanceof FakeTransaction && tx.state === 'open') return tx
  throw new OffstageError('TX_INVALID', 'tx is no open transaction of the fake')
}
