// Model-based properties: the same random operations on two brokers, with the same answers and the same jobs after
// each. The memory broker is the reference. Against itself it shows that the comparison does not see differences where
// there are none, and that nothing depends on chance; against SQLite it is the proof.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memory } from '../../src/brokers/memory/memory.ts'
import { ManualClock } from '../../src/runtime/manual-clock.ts'
import { sqlite } from '../support/sqlite-harness.ts'
import { type Operation, operation } from './operations.ts'
import { Subject } from './subject.ts'

async function memorySubject(): Promise<Subject> {
  const clock = new ManualClock()
  const broker = memory({ clock })
  await broker.open()
  return new Subject(broker, (ms) => clock.advance(ms))
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

const work = fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' })

describe('the same operations, the same answers', () => {
  test('memory and memory', async () => {
    const same = fc.asyncProperty(work, async (operations) =>
      sameOn(operations, await memorySubject(), await memorySubject()),
    )
    await fc.assert(same, { numRuns: 150 })
  })

  test('memory and SQLite', async () => {
    const same = fc.asyncProperty(work, async (operations) =>
      sameOn(operations, await memorySubject(), await sqliteSubject()),
    )
    await fc.assert(same, { numRuns: 60 })
  })
})
