// The checker is checked: brokers that break one law each have to turn the suite red, and by that very law.
import { describe, expect, test } from 'vitest'
import { type BrokerHarness, laws, runLaws } from '../src/laws/index.ts'
import { brokenBrokers, wrap } from './support/broken-brokers.ts'
import { memoryHarness } from './support/memory-harness.ts'

describe('the laws are broken by a broker that', () => {
  test.each(brokenBrokers)('$fault (law $law)', async ({ law, breaks }) => {
    const honest = memoryHarness()
    const broken: BrokerHarness = {
      ...honest,
      open: async () => {
        const broker = await honest.open()
        return wrap(broker, breaks(broker))
      },
    }
    const results = await runLaws(broken, { laws: laws.filter(({ number }) => number === law) })
    const caught = results.filter(({ status }) => status === 'failed')
    expect(caught.map(({ name }) => name)).not.toEqual([])
    // A broken law is a broken expectation; anything else would be a trouble of the suite itself.
    expect(caught.map(({ error }) => (error as Error).name)).toContain('AssertionError')
  })

  test('each law is there to be broken', () => {
    expect([...new Set(brokenBrokers.map(({ law }) => law))].sort()).toEqual(
      [...new Set(laws.map(({ number }) => number))].sort(),
    )
  })
})

test('the laws hold for the same broker, wrapped in the same way and not broken', async () => {
  const honest = memoryHarness()
  const results = await runLaws({ ...honest, open: async () => wrap(await honest.open(), {}) })
  expect(results.filter(({ status }) => status === 'failed')).toEqual([])
  expect(results.filter(({ status }) => status === 'passed').length).toBeGreaterThan(150)
  for (const { status, reason } of results) if (status === 'skipped') expect(reason).toMatch(/\w/)
})
