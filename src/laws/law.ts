// What a law is to the suite: a number, a name and cases that prove it on a broker.
import type { LawContext } from './context.ts'
import type { Need } from './harness.ts'

export interface LawCase {
  readonly name: string
  readonly needs?: readonly Need[] | undefined
  /** Rejects, mostly with an AssertionError, where the broker breaks the law. */
  run(context: LawContext): Promise<void>
}

export interface Law {
  /** As in the design, 1 to 13; 0 for what the contract's calls promise beyond the laws. */
  readonly number: number
  readonly name: string
  readonly cases: readonly LawCase[]
}
