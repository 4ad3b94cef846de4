// Outcomes on the wire, and their answers.
import type { Outcome, Settled } from '../../broker/contract.ts'
import { type Bytes, type Column, Packer, put } from './columns.ts'
import { type ClaimColumns, unpackClaims } from './wire-claims.ts'

/** Results have columns, since they are what most outcomes are; `others` holds the rest, undefined where a result is. */
export interface OutcomeColumns {
  readonly ids: string[]
  readonly tokens: number[]
  readonly ranMs: (number | undefined)[]
  readonly lengths: number[]
  readonly bytes: Bytes
  codecs: Column<number>
  others: Column<Outcome>
}

export function packOutcomes(outcomes: readonly Outcome[]): OutcomeColumns {
  const payloads = new Packer()
  const columns: Omit<OutcomeColumns, 'bytes'> = {
    ids: [],
    tokens: [],
    ranMs: [],
    lengths: payloads.lengths,
    codecs: undefined,
    others: undefined,
  }
  outcomes.forEach((outcome, index) => {
    columns.ids.push(outcome.id)
    columns.tokens.push(outcome.token)
    columns.ranMs.push(outcome.ranMs)
    const result = outcome.kind === 'succeeded' ? outcome.result : undefined
    payloads.add(result?.bytes ?? NOTHING)
    columns.codecs = put(columns.codecs, index, result?.codec === 0 ? undefined : result?.codec)
    columns.others = put(columns.others, index, outcome.kind === 'succeeded' ? undefined : outcome)
  })
  return { ...columns, bytes: payloads.join() }
}

const NOTHING = new Uint8Array(0)

export function unpackOutcomes(columns: OutcomeColumns): Outcome[] {
  let at = 0
  return columns.ids.map((id, i): Outcome => {
    const end = at + (columns.lengths[i] ?? 0)
    const bytes = columns.bytes.subarray(at, end)
    at = end
    const other = columns.others?.[i]
    if (other !== undefined) return other
    const result = { codec: columns.codecs?.[i] ?? 0, bytes }
    return { kind: 'succeeded', id, token: columns.tokens[i] ?? 0, ranMs: columns.ranMs[i], result }
  })
}

export interface SettledColumns {
  readonly count: number
  /** Which of the outcomes came too late. */
  readonly lost: readonly number[]
  readonly next: ClaimColumns | undefined
}

export function unpackSettled({ count, lost, next }: SettledColumns): Settled {
  const answers = Array.from({ length: count }, (): 'ok' | 'lost' => 'ok')
  for (const index of lost) answers[index] = 'lost'
  return next === undefined ? { answers } : { answers, next: unpackClaims(next) }
}
