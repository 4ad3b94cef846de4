// Registers the laws as tests of vitest: one a case, each skip with its reason.
import { afterAll, describe, test } from 'vitest'
import { type BrokerHarness, laws, runCase, skipReason } from '../../src/laws/index.ts'

/** Contract, leases, waking, one step, limits: what another way to the same broker may change. */
const USUAL = [0, 3, 7, 8, 10]

/** For a further way to a broker whose own test runs them all: they run with `npm run slow`, else the usual ones. */
export function testLawsAgain(harness: BrokerHarness): void {
  testLaws(harness, process.env.OFFSTAGE_TESTS === 'all' ? undefined : USUAL)
}

/** @param only numbers of laws; default all of them */
export function testLaws(harness: BrokerHarness, only?: readonly number[]): void {
  describe(`the laws on ${harness.name}`, () => {
    afterAll(() => harness.dispose?.())
    for (const law of laws.filter(({ number }) => only?.includes(number) ?? true)) {
      for (const lawCase of law.cases) {
        test(`law ${law.number}, ${law.name}: ${lawCase.name}`, async ({ annotate, skip }) => {
          const reason = skipReason(lawCase, harness)
          if (reason !== undefined) skip(reason)
          const facts: string[] = []
          try {
            await runCase(lawCase, harness, (line) => void facts.push(line))
          } finally {
            // Measured lateness and stalls: shown with a test that fails.
            for (const fact of facts) await annotate(fact)
          }
        })
      }
    }
  })
}
