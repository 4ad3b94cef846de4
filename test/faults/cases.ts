// All cases that every shared broker passes.
import { processCases } from './cases-processes.ts'
import type { FaultCase } from './suite.ts'

export const cases: readonly FaultCase[] = [...processCases]
