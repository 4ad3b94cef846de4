// Model-based properties: the same random operations on two brokers, with the same answers and the same jobs after
// each. The memory broker is the reference. Against itself it shows that the comparison does not see differences where
// there are none, and that nothing depends on chance; against SQLite, Redis and PostgreSQL it is the proof.
//
// OFFSTAGE_SEED repeats the run of a seed that a failure has shown; OFFSTAGE_RUNS makes it longer.
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Broker } from '../../src/broker/contract.ts'
import { memory } from '../../src/brokers/memory/memory.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { brokenBrokers, wrap } from '../support/broken-brokers.ts'
import { PostgresOnClock } from '../support/postgres-clock.ts'
import { RedisOnClock } from '../support/redis-clock.ts'
import { postgresServerMissing, redisServerMissing } from '../support/servers.ts'
import { sqlite } from '../support/sqlite-harness.ts'
import { inLanes, inPartitions, inTasks, type Operation } from './operations.ts'
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
    await one.begin()
    await other.begin()
    for (const step of operations) {
      expect(await other.run(step)).toEqual(await one.run(step))
      expect(await other.state()).toEqual(await one.state())
    }
    expect(await other.notes()).toEqual(await one.notes())
    await one.finish()
    await other.finish()
    expect(await other.state()).toEqual(await one.state())
  } finally {
    await one.broker.close()
    await other.broker.close()
  }
}

const env = process.env
const seed = env.OFFSTAGE_SEED === undefined ? {} : { seed: Number(env.OFFSTAGE_SEED) }
/** Shrinking what fails ends in time for its report. */
const settings = (runs: number): fc.Parameters<[Operation[]]> => ({
  ...seed,
  numRuns: env.OFFSTAGE_RUNS === undefined ? runs : Number(env.OFFSTAGE_RUNS),
  interruptAfterTimeLimit: env.OFFSTAGE_RUNS === undefined ? 20_000 : 580_000,
  markInterruptAsFailure: false,
})

const timeout = env.OFFSTAGE_RUNS === undefined ? 30_000 : 600_000

const MODES = [
  ['lanes', inLanes],
  ['partitions', inPartitions],
  ['lanes of tasks', inTasks],
] as const

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

describe('the same operations, the same answers', { timeout }, () => {
  test.each(MODES)('memory and memory, in %s', async (_, operation) => {
    await fc.assert(
      same(
        operation,
        () => memorySubject(),
        () => memorySubject(),
      ),
      settings(40),
    )
  })

  test.each(MODES)('memory and SQLite, in %s', async (_, operation) => {
    await fc.assert(
      same(operation, () => memorySubject(), sqliteSubject),
      settings(12),
    )
  })
})

describe.skipIf(redisServerMissing() !== undefined)('the same operations on Redis', { timeout }, () => {
  let redis: RedisOnClock
  beforeAll(async () => {
    redis = await RedisOnClock.start()
  })
  afterAll(() => redis.stop())

  async function redisSubject(): Promise<Subject> {
    await redis.reset()
    return new Subject(await redis.open(), (ms) => redis.advance(ms))
  }

  test.each(MODES)('memory and Redis, in %s', async (_, operation) => {
    await fc.assert(
      same(operation, () => memorySubject(), redisSubject),
      settings(25),
    )
  })
})

describe.skipIf(postgresServerMissing() !== undefined)(
  'the same operations on PostgreSQL',
  { timeout },
  () => {
    let postgres: PostgresOnClock
    beforeAll(async () => {
      postgres = await PostgresOnClock.start()
    })
    afterAll(() => postgres.stop())

    async function postgresSubject(): Promise<Subject> {
      await postgres.reset()
      return new Subject(await postgres.open(), (ms) => postgres.advance(ms))
    }

    test.each(MODES)('memory and PostgreSQL, in %s', async (_, operation) => {
      await fc.assert(
        same(operation, () => memorySubject(), postgresSubject),
        settings(12),
      )
    })
  },
)

describe('the comparison sees a broker that', () => {
  const faults = ['loses the place of what is given back', 'gives one slot too many', 'knows no unique keys']
  test.each(brokenBrokers.filter(({ fault }) => faults.includes(fault)))('$fault', async ({ breaks }) => {
    const broken = (): Promise<Subject> => memorySubject((broker) => wrap(broker, breaks(broker)))
    const { failed } = await fc.check(
      same(inLanes, () => memorySubject(), broken),
      { ...settings(300), endOnFailure: true },
    )
    expect(failed).toBe(true)
  })
})
