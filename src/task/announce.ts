// Threads and processes that run single attempts for a worker elsewhere import the modules that define tasks, and hear
// of each definition through a hook. It is known by its text, so that a second copy of the library finds it too.
import type { Middleware } from './middleware.ts'
import type { RunnableTask } from './runnable.ts'

/** A task with a handler, as it was defined in this thread. */
export interface Announcement {
  readonly task: RunnableTask
  /** Of its app; what is added later counts. */
  readonly middleware: readonly Middleware[]
  /** Closes its app. Repeatable. */
  readonly close: () => Promise<void>
}

type Hear = (announcement: Announcement) => void

const hook: unique symbol = Symbol.for('offstage.guest') as never
const place = globalThis as { [hook]?: Hear }

/** This thread runs attempts for a worker elsewhere: no worker starts in it. */
export function isGuest(): boolean {
  return place[hook] !== undefined
}

/** From now on this thread is one that runs attempts for others; `hear` gets what is defined in it. */
export function becomeGuest(hear: Hear): void {
  place[hook] = hear
}

/** Costs nothing where nobody listens. */
export function announce(make: () => Announcement): void {
  place[hook]?.(make())
}
