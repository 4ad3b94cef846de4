// The tasks of the figure `threads`: work that computes, and none at all, inline and in threads. Threads import this
// module, and nothing of it does anything by itself.
import { pbkdf2Sync } from 'node:crypto'
import { type App, offstage, silentLogger, stderrLogger, type Task } from 'offstage'

export const app: App = offstage({
  broker: process.env.BENCH_BROKER ?? 'memory:',
  logger: { ...silentLogger, error: stderrLogger.error },
})

type Kind = 'inline' | 'thread'

/** Some tens of milliseconds without a pause. */
function compute(runIn: Kind): Task<number, string> {
  return app.task({
    name: `compute-${runIn}`,
    queue: `compute-${runIn}`,
    runIn,
    module: import.meta.url,
    run: (n: number) => pbkdf2Sync('password', String(n), 40_000, 32, 'sha256').toString('hex'),
  })
}

function nothing(runIn: Kind): Task<unknown, void> {
  return app.task({
    name: `nothing-${runIn}`,
    queue: `nothing-${runIn}`,
    runIn,
    module: import.meta.url,
    run: () => undefined,
  })
}

export const computing = { inline: compute('inline'), thread: compute('thread') }
export const idle = { inline: nothing('inline'), thread: nothing('thread') }

export function noop(): void {}
