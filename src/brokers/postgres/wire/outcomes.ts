// Outcomes and leases on their way to `settle_jobs` and `extend_leases`, as columns.
import type { HeldLease, LeaseRef, Outcome, SettleAnswer } from '../../../broker/contract.ts'
import { reasons } from '../../../job/states.ts'
import type { Row, Value } from '../client/client.ts'
import type { Call } from '../space.ts'
import { packBools, packBytes, packLongs, packShorts, packTexts, readNumbers } from './arrays.ts'

const KINDS: { readonly [K in Outcome['kind']]: number } = {
  succeeded: 0,
  retry: 1,
  failed: 2,
  released: 3,
  snoozed: 4,
  unknown: 5,
  cancelled: 6,
}

export const settleCall: Call = {
  name: 'settle_jobs',
  types: [
    'text[]',
    'bigint[]',
    'smallint[]',
    'bigint[]',
    'smallint[]',
    'bytea[]',
    'bigint[]',
    'bigint[]',
    'bigint[]',
    'smallint[]',
    'text[]',
    'text[]',
    'text[]',
    'bigint[]',
    'boolean',
  ],
}

/** What a claim has told of a job, which spares the store a look when it settles. */
export interface Claim {
  readonly id: string
  readonly seq: number
  readonly createdAt: number
}

/** By token. */
export type Claims = ReadonlyMap<number, Claim>

/** @param careful some of them may be held by others: see `sql/settle-jobs.sql` */
export function packOutcomes(
  outcomes: readonly Outcome[],
  started: readonly LeaseRef[],
  claims: Claims,
  careful = false,
): Value[] {
  const known = outcomes.map(({ id, token }) => {
    const claim = claims.get(token)
    return claim?.id === id ? claim : undefined
  })
  const column = <T>(
    pack: (values: readonly (T | undefined)[]) => Buffer,
    of: (outcome: Outcome) => T | undefined,
  ): Buffer | null => {
    const values = outcomes.map(of)
    return values.every((value) => value === undefined) ? null : pack(values)
  }
  return [
    packTexts(outcomes.map(({ id }) => id)),
    packLongs(outcomes.map(({ token }) => token)),
    column(packShorts, ({ kind }) => KINDS[kind] || undefined),
    column(packLongs, ({ ranMs }) => (ranMs === undefined ? undefined : Math.round(ranMs))),
    column(packShorts, (one) => (one.kind === 'succeeded' ? one.result.codec || undefined : undefined)),
    column(packBytes, (one) => (one.kind === 'succeeded' ? one.result.bytes : undefined)),
    packLongs(known.map((claim) => claim?.seq)),
    packLongs(known.map((claim) => claim?.createdAt)),
    column(packLongs, (one) => ('delayMs' in one ? Math.ceil(one.delayMs) : undefined)),
    column(packShorts, (one) => (one.kind === 'failed' ? reasons.indexOf(one.reason) : undefined)),
    column(packTexts, (one) => ('error' in one ? JSON.stringify(one.error) : undefined)),
    column(packTexts, (one) => ('error' in one ? one.error.fingerprint : undefined)),
    started.length === 0 ? null : packTexts(started.map(({ id }) => id)),
    started.length === 0 ? null : packLongs(started.map(({ token }) => token)),
    careful ? 't' : 'f',
  ]
}

/** @param row of `settle_jobs`: now, lost, away */
export function readAnswers(count: number, row: Row): SettleAnswer[] {
  const answers = new Array<SettleAnswer>(count).fill('ok')
  for (const n of readNumbers(row[1])) answers[(n ?? 1) - 1] = 'lost'
  for (const n of readNumbers(row[2])) answers[(n ?? 1) - 1] = 'away'
  return answers
}

export const extendCall: Call = {
  name: 'extend_leases',
  types: ['text[]', 'bigint[]', 'boolean[]', 'bigint'],
}

export function packLeases(leases: readonly HeldLease[], leaseMs: number): Value[] {
  return [
    packTexts(leases.map(({ id }) => id)),
    packLongs(leases.map(({ token }) => token)),
    packBools(leases.map(({ started }) => started)),
    String(Math.round(leaseMs)),
  ]
}
