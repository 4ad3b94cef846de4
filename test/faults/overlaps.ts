// The checker's rules about what must not be at the same time: more runs than a limit allows, two jobs of one unique key.
import type { Event, Of } from './history.ts'

/**
 * A place is taken from a run's begin to its end, or until its process was killed or stopped, or lost the lease. Who is
 * cut off for long may have lost it without hearing of it.
 */
export function limitRules(history: readonly Event[], limits: { readonly [task: string]: number }): string[] {
  const found: string[] = []
  const open = new Map<string, Of<'run'>>()
  const over = new Set<string>()
  for (const event of history) {
    if (event.e === 'run') {
      const limit = limits[event.task]
      if (limit === undefined) continue
      open.set(`${event.id} ${event.token}`, event)
      const place = placeOf(event)
      const now = [...open.values()].filter((run) => placeOf(run) === place).length
      if (now > limit && !over.has(place)) {
        over.add(place)
        found.push(`${now} runs of ${place} at once, where ${limit} are allowed`)
      }
    } else if (event.e === 'ran' || event.e === 'lease-lost') open.delete(`${event.id} ${event.token}`)
    else if (event.e === 'fault') {
      if (event.kind === 'outage' && event.long) open.clear()
      if (event.kind === 'kill' || event.kind === 'stop')
        for (const [key, { pid }] of open) if (pid === event.pid) open.delete(key)
    }
  }
  return found
}

function placeOf({ task, place }: Of<'run'>): string {
  return place ?? task
}

interface Span {
  readonly id: string
  readonly from: number
  to: number
}

/**
 * A job surely lives from the answer to its enqueue until its handler returned for the last time with a token that the
 * broker still took: two such spans of one key must not overlap.
 */
export function uniqueRules(history: readonly Event[]): string[] {
  const keys = new Map<string, string>()
  const taken = new Set<string>()
  for (const event of history) {
    if (event.e === 'asked' && event.key !== undefined) keys.set(event.id, event.key)
    else if (event.e === 'settled' && event.answer === 'ok') taken.add(`${event.id} ${event.token}`)
  }
  const spans = new Map<string, Span>()
  for (const [line, event] of history.entries()) {
    if (event.e === 'accepted' && event.as === undefined && keys.has(event.id) && !spans.has(event.id))
      spans.set(event.id, { id: event.id, from: line, to: line })
    else if (event.e === 'ran' && taken.has(`${event.id} ${event.token}`)) {
      const span = spans.get(event.id)
      if (span !== undefined) span.to = line
    }
  }
  const found: string[] = []
  // In the order of their begins: whoever begins before the last end of its key overlaps.
  const last = new Map<string, Span>()
  for (const span of spans.values()) {
    // An answer may have come to its producer when the job had long ended.
    if (span.to === span.from) continue
    const key = keys.get(span.id) ?? ''
    const before = last.get(key)
    if (before !== undefined && span.from < before.to)
      found.push(`${before.id} and ${span.id} lived at once, both with the key ${key}`)
    if (before === undefined || span.to > before.to) last.set(key, span)
  }
  return found
}
