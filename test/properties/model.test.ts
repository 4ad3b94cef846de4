// Model-based properties: the same random operations on two brokers, with the same answers and the same jobs after
// each. The memory broker is the reference. Against itself it shows that the comparison does not see differences where
// there are none, and that nothing depends on chance; against SQLite it is the proof.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { memory } from '../../src/brokers/memory/memory.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { brokenBrokers, wrap } from '../support/broken-brokers.ts'
import { sqlite } from '../support/sqlite-harness.ts'
import { inLanes, inPartitions, type Operation } from './operations.ts'
import { Subject } from './subject.ts'

async function memorySubject(change = (broker: Broker): Broker => broker): Promise<Subject> {
  const clock = new ManualClock()
  const broker = memory({ clock })
  await broker.open()
  return new Subject(change(broker), (ms) => clock.advance(ms))
}

async function sqliteSubject(): Promise<Subject> {
  const clock = new ManualClock()
  const broker = sqlite({ file: ':memory:', clock })
  await broker.open()
  return new Subject(broker, (ms) => clock.advance(ms))
}

async function sameOn(operations: readonly Operation[], one: Subject, other: Subject): Promise<void> {
  try {
    for (const step of operations) {
      expect(await other.run(step)).toEqual(await one.run(step))
      expect(await other.state()).toEqual(await one.state())
    }
    await one.finish()
    await other.finish()
  } finally {
    await one.broker.close()
    await other.broker.close()
  }
}

const work = (operation: fc.Arbitrary<Operation>): fc.Arbitrary<Operation[]> =>
  fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' })

type Subjects = () => Promise<Subject>

function same(
  operation: fc.Arbitrary<Operation>,
  one: Subjects,
  other: Subjects,
): fc.IAsyncProperty<[Operation[]]> {
  return fc.asyncProperty(work(operation), async (steps) => sameOn(steps, await one(), await other()))
}

describe('the same operations, the same answers', () => {
  test.each([
    ['lanes', inLanes],
    ['partitions', inPartitions],
  ] as const)('memory and memory, in %s', async (_, operation) => {
    await fc.assert(
      same(
        operation,
        () => memorySubject(),
        () => memorySubject(),
      ),
      { numRuns: 80 },
    )
  })

  test.each([
    ['lanes', inLanes],
    ['partitions', inPartitions],
  ] as const)('memory and SQLite, in %s', async (_, operation) => {
    await fc.assert(
      same(operation, () => memorySubject(), sqliteSubject),
      { numRuns: 40 },
    )
  })
})

describe('the comparison sees a broker that', () => {
  const faults = ['loses the place of what is given back', 'gives one slot too many', 'knows no unique keys']
  test.each(brokenBrokers.filter(({ fault }) => faults.includes(fault)))('$fault', async ({ breaks }) => {
    const broken = (): Promise<Subject> => memorySubject((broker) => wrap(broker, breaks(broker)))
    const { failed } = await fc.check(
      same(inLanes, () => memorySubject(), broken),
      { numRuns: 300, endOnFailure: true },
    )
    expect(failed).toBe(true)
  })
})
