// Registers the laws as tests of vitest: one a case, each skip with its reason.
import { afterAll, describe, test } from 'vitest'
import { type BrokerHarness, laws, runCase, skipReason } from '../../src/laws/index.ts'

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
