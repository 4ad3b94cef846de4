// All cases that every shared broker passes.

import { cancelCases } from './cases-cancel.ts'
import { contentCases } from './cases-content.ts'
import { crashCases } from './cases-crashes.ts'
import { idleCases } from './cases-idle.ts'
import { loadCases } from './cases-load.ts'
import { networkCases } from './cases-network.ts'
import { processCases } from './cases-processes.ts'
import { raceCases } from './cases-races.ts'
import { reconnectCases } from './cases-reconnect.ts'
import { secretCases } from './cases-secrets.ts'
import { serverCases } from './cases-server.ts'
import { uniqueCases } from './cases-unique.ts'
import { soak } from './soak.ts'
import type { FaultCase } from './suite.ts'

export const cases: readonly FaultCase[] = [
  ...processCases,
  ...crashCases,
  ...networkCases,
  ...reconnectCases,
  ...cancelCases,
  ...serverCases,
  ...contentCases,
  ...uniqueCases,
  ...loadCases,
  ...raceCases,
  ...idleCases,
  ...secretCases,
  soak,
]
