// The cases on transactions are checked: brokers that break one promise each have to turn them red.
import { afterAll, expect, test } from 'vitest'
import type { TransactingBroker } from '../../src/broker/transacting.ts'
import { type BrokerHarness, laws, runCase, skipReason } from '../../src/laws/index.ts'
import { sqliteFileHarness } from '../support/sqlite-harness.ts'

type Calls = Pick<TransactingBroker, 'enqueueWithin' | 'settleWithin'>

const honest = sqliteFileHarness()
const cases = laws.flatMap((law) => law.cases).filter(({ needs }) => needs?.includes('transactions') === true)
afterAll(() => honest.dispose?.())

const faults: readonly {
  readonly fault: string
  readonly breaks: (broker: TransactingBroker) => Partial<Calls>
}[] = [
  {
    fault: 'forgets what was enqueued',
    breaks: () => ({
      enqueueWithin: async (_, groups) =>
        groups.map((group) => ({ ok: true, jobs: group.map(({ id }) => ({ status: 'enqueued', id })) })),
    }),
  },
  {
    fault: 'stores what was enqueued after a rollback too',
    breaks: (broker) => ({
      enqueueWithin: async (tx, groups) => {
        const answers = await broker.enqueueWithin(tx, groups)
        // Waits for the lock, and so for the end of the transaction.
        void broker.enqueue(groups).catch(() => undefined)
        return answers
      },
    }),
  },
  {
    fault: 'stores a part of a refused group',
    breaks: (broker) => ({
      enqueueWithin: async (tx, groups) => {
        const answers = [...(await broker.enqueueWithin(tx, groups))]
        for (const [i, answer] of answers.entries())
          if (!answer.ok) await broker.enqueueWithin(tx, [groups[i]?.slice(0, 1) ?? []])
        return answers
      },
    }),
  },
  {
    fault: 'says of every success that it was recorded',
    breaks: (broker) => ({
      settleWithin: async (tx, success) => {
        await broker.settleWithin(tx, success)
        return 'ok'
      },
    }),
  },
  { fault: 'records no success', breaks: () => ({ settleWithin: async () => 'ok' }) },
  {
    fault: 'records a success although the transaction is rolled back',
    breaks: (broker) => ({
      settleWithin: async (tx, success) => {
        const answer = await broker.settleWithin(tx, success)
        if (answer === 'ok') void broker.settle({ outcomes: [success] }).catch(() => undefined)
        return answer
      },
    }),
  },
]

test.each(faults)('a broker that $fault', async ({ breaks }) => {
  const broken: BrokerHarness = {
    ...honest,
    open: async () => {
      const broker = (await honest.open()) as TransactingBroker
      const own = breaks({
        ...broker,
        enqueue: (groups) => broker.enqueue(groups),
        settle: (request) => broker.settle(request),
        enqueueWithin: broker.enqueueWithin.bind(broker),
        settleWithin: broker.settleWithin.bind(broker),
      } as TransactingBroker)
      return Object.assign(broker, own)
    },
  }
  const caught: string[] = []
  for (const lawCase of cases.filter((one) => skipReason(one, broken) === undefined)) {
    const red = await runCase(lawCase, broken).then(
      () => false,
      () => true,
    )
    if (red) caught.push(lawCase.name)
    if (caught.length > 0) break
  }
  expect(caught).toHaveLength(1)
})
