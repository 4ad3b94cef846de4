import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Batcher, type BatcherOptions } from './batcher.ts'

interface Trip {
  readonly items: readonly number[]
  answer(): void
  fail(error: unknown): void
}

/** A batcher whose trips stay under way until the test ends them. */
function held(options: Partial<BatcherOptions<number, string>> = {}): {
  batcher: Batcher<number, string>
  trips: Trip[]
} {
  const trips: Trip[] = []
  const batcher = new Batcher<number, string>({
    run: (items) =>
      new Promise((resolve, reject) => {
        trips.push({ items, answer: () => resolve(items.map((item) => `${item}!`)), fail: reject })
      }),
    ...options,
  })
  return { batcher, trips }
}

/** Lets all microtasks run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const itemsOf = (trips: readonly Trip[]): (readonly number[])[] => trips.map(({ items }) => items)

describe('a batcher', () => {
  test('sends a lone call at once, and those of one turn together', async () => {
    const { batcher, trips } = held()
    const calls = [1, 2, 3].map((item) => batcher.add(item))
    await Promise.resolve()
    expect(itemsOf(trips)).toEqual([[1, 2, 3]])
    trips[0]?.answer()
    expect(await Promise.all(calls)).toEqual(['1!', '2!', '3!'])
  })

  test('gathers what is asked for during a trip into the next', async () => {
    const { batcher, trips } = held()
    const first = batcher.add(1)
    await settle()
    const others = [2, 3].map((item) => batcher.add(item))
    await settle()
    others.push(batcher.add(4))
    await settle()
    expect(itemsOf(trips)).toEqual([[1]])
    trips[0]?.answer()
    await first
    await settle()
    expect(itemsOf(trips)).toEqual([[1], [2, 3, 4]])
    trips[1]?.answer()
    expect(await Promise.all(others)).toEqual(['2!', '3!', '4!'])
  })

  test('a trip that fails fails its own calls and no others', async () => {
    const { batcher, trips } = held()
    const first = batcher.add(1)
    await settle()
    const second = batcher.add(2)
    trips[0]?.fail(new Error('away'))
    await expect(first).rejects.toThrow('away')
    await settle()
    trips[1]?.answer()
    expect(await second).toBe('2!')
    await batcher.idle()
  })

  test('a run that throws at once, or answers too few, rejects its calls', async () => {
    const thrown = new Batcher<number, string>({
      run: () => {
        throw new Error('at once')
      },
    })
    await expect(thrown.add(1)).rejects.toThrow('at once')
    const few = new Batcher<number, string>({ run: async () => ['one'] })
    const calls = await Promise.allSettled([few.add(1), few.add(2)])
    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await few.idle()
  })

  test('an item heavier than a trip travels alone', async () => {
    const { batcher, trips } = held({ maxWeight: 10, weigh: (item) => item, maxTrips: 9 })
    void [3, 50, 4, 6, 1].map((item) => batcher.add(item))
    await settle()
    expect(itemsOf(trips)).toEqual([[3], [50], [4, 6], [1]])
    for (const trip of trips) trip.answer()
    await batcher.idle()
  })

  test('idle waits for all that is under way and all that waits', async () => {
    const { batcher, trips } = held()
    await batcher.idle()
    void batcher.add(1)
    let idle = false
    const waiting = batcher.idle().then(() => {
      idle = true
    })
    await settle()
    void batcher.add(2)
    trips[0]?.answer()
    await settle()
    expect(idle).toBe(false)
    trips[1]?.answer()
    await waiting
  })
})

test('under any load: each call gets its own answer, in order, and no trip is too heavy or too many', async () => {
  const load = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 12 }) }) },
      { weight: 1, arbitrary: fc.record({ end: fc.nat(), well: fc.boolean() }) },
      { weight: 1, arbitrary: fc.constant({ pause: true }) },
    ),
    { maxLength: 80 },
  )
  await fc.assert(
    fc.asyncProperty(
      load,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 20 }),
      async (acts, maxTrips, maxWeight) => {
        const { batcher, trips } = held({ maxTrips, maxWeight, weigh: (item) => item % 100 })
        const open = new Set<Trip>()
        const wanted: number[] = []
        const calls: Promise<string>[] = []
        let seen = 0
        const look = (): void => {
          for (const trip of trips.slice(seen)) open.add(trip)
          seen = trips.length
          expect(open.size).toBeLessThanOrEqual(maxTrips)
        }
        const end = async (trip: Trip | undefined, well: boolean): Promise<void> => {
          if (trip === undefined) return
          open.delete(trip)
          if (well) trip.answer()
          else trip.fail(new Error('trip'))
          await settle()
          look()
        }
        for (const act of acts) {
          if ('add' in act) {
            const item = wanted.length * 100 + act.add
            wanted.push(item)
            const call = batcher.add(item)
            call.catch(() => undefined)
            calls.push(call)
          } else if ('end' in act) await end([...open][act.end % Math.max(1, open.size)], act.well)
          else {
            await settle()
            look()
          }
        }
        await settle()
        look()
        const failed = new Set<number>()
        while (open.size > 0) await end([...open][0], true)
        await batcher.idle()
        const answers = await Promise.allSettled(calls)
        for (const [i, answer] of answers.entries()) {
          if (answer.status === 'fulfilled') expect(answer.value).toBe(`${wanted[i]}!`)
          else failed.add(wanted[i] ?? 0)
        }
        expect(trips.flatMap(({ items }) => items)).toEqual(wanted)
        for (const { items } of trips) {
          const weight = items.reduce((sum, item) => sum + (item % 100), 0)
          expect(items.length === 1 || weight <= maxWeight).toBe(true)
          expect(items.every((item) => failed.has(item)) || items.every((item) => !failed.has(item))).toBe(
            true,
          )
        }
      },
    ),
    { numRuns: 100 },
  )
})
