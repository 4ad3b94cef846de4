// What cases read from a history.
import type { Event, Of } from './history.ts'

export function only<E extends Event['e']>(history: readonly Event[], e: E): Of<E>[] {
  return history.filter((event): event is Of<E> => event.e === e)
}

/** How many jobs have succeeded, each as often as the broker took it. */
export function ended(history: readonly Event[]): number {
  return only(history, 'settled').filter(succeeded).length
}

export function succeeded({ outcome, answer }: Of<'settled'>): boolean {
  return answer === 'ok' && outcome === 'succeeded'
}

/** The first event of the kind at or after the moment, by whomever or by one process. */
export function firstAfter<E extends Event['e']>(
  history: readonly Event[],
  e: E,
  at: number,
  pid?: number,
): Of<E> | undefined {
  return only(history, e).find((event) => event.at >= at && (pid === undefined || event.pid === pid))
}
