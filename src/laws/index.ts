// `offstage/laws`: the suite that every broker passes, free of any test framework.
export { LawContext, type OpenTransaction } from './context.ts'
export type { BrokerHarness, Need, ProcessLocation, UserTransaction } from './harness.ts'
export type { Law, LawCase } from './law.ts'
export type { BrokerProcess, RemoteCall } from './process.ts'
export { type CaseResult, laws, type RunOptions, runCase, runLaws, skipReason } from './suite.ts'
