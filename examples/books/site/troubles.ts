// The trouble that real sites give, and how many of a thousand pages give which.
import { between, seededRandom, shuffled } from './random.ts'

/** What may be wrong with a page. */
export type TroubleKind =
  | 'slow'
  | 'flaky'
  | 'throttled'
  | 'cut'
  | 'malformed'
  | 'moved'
  | 'broken'
  | 'missing'
  | 'untitled'
  | 'loop'
  | 'elsewhere'
  | 'oversized'
  | 'silent'

/** One row of the table of troubles. */
export interface TroubleRule {
  kind: TroubleKind
  /** How many pages of a thousand have it. */
  perThousand: number
  /** Whether a good client gets the book in the end. */
  recovers: boolean
  what: string
}

/** The table. Pages that are not in it (642 of 1,000) answer at once and are well formed. */
export const TROUBLES: readonly TroubleRule[] = [
  { kind: 'slow', perThousand: 120, recovers: true, what: 'answers after 100 to 400 ms' },
  { kind: 'flaky', perThousand: 80, recovers: true, what: 'answers 503 twice, then works' },
  {
    kind: 'throttled',
    perThousand: 10,
    recovers: true,
    what: 'answers 429 with `Retry-After: 1` once, then works',
  },
  { kind: 'cut', perThousand: 6, recovers: true, what: 'ends in the middle of the head once, then works' },
  {
    kind: 'malformed',
    perThousand: 60,
    recovers: true,
    what: 'has unclosed tags and JSON-LD that does not parse',
  },
  {
    kind: 'moved',
    perThousand: 50,
    recovers: true,
    what: 'redirects (301 or 302) to its address with the slug',
  },
  { kind: 'broken', perThousand: 10, recovers: false, what: 'always answers 500' },
  { kind: 'missing', perThousand: 10, recovers: false, what: 'answers 404' },
  { kind: 'untitled', perThousand: 5, recovers: false, what: 'is a page without any title' },
  { kind: 'loop', perThousand: 2, recovers: false, what: 'redirects in a circle' },
  { kind: 'elsewhere', perThousand: 2, recovers: false, what: 'redirects to another origin' },
  { kind: 'oversized', perThousand: 2, recovers: false, what: 'sends four megabytes' },
  { kind: 'silent', perThousand: 1, recovers: false, what: 'takes the request and never answers' },
]

/** The trouble of one page. */
export interface Trouble {
  kind: TroubleKind
  /** For slow pages: how long they wait before they answer. */
  delayMs: number
  /** For pages that recover: how many requests fail first. */
  failures: number
}

/** Deals the troubles out over the ids 1 to `pages`. The same seed always deals the same way. */
export function dealTroubles(seed: number, pages: number): Map<number, Trouble> {
  const random = seededRandom(seed ^ 0x7208b1e5)
  const ids = shuffled(
    random,
    Array.from({ length: pages }, (_, index) => index + 1),
  )
  const troubles = new Map<number, Trouble>()
  for (const rule of TROUBLES) {
    const share = Math.round((rule.perThousand * pages) / 1000)
    for (const id of ids.splice(0, share)) {
      troubles.set(id, {
        kind: rule.kind,
        delayMs: rule.kind === 'slow' ? between(random, 100, 400) : 0,
        failures: failuresOf(rule.kind),
      })
    }
  }
  return troubles
}

function failuresOf(kind: TroubleKind): number {
  if (kind === 'flaky') return 2
  return kind === 'throttled' || kind === 'cut' ? 1 : 0
}
