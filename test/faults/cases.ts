// All cases that every shared broker passes.

import { contentCases } from './cases-content.ts'
import { networkCases } from './cases-network.ts'
import { processCases } from './cases-processes.ts'
import { serverCases } from './cases-server.ts'
import { uniqueCases } from './cases-unique.ts'
import { soak } from './soak.ts'
import type { FaultCase } from './suite.ts'

export const cases: readonly FaultCase[] = [
  ...processCases,
  ...networkCases,
  ...serverCases,
  ...contentCases,
  ...uniqueCases,
  soak,
]
