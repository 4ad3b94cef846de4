// Middleware put in a row: the first that was registered is the outermost.
import { OffstageError } from '../errors/error.ts'
import type { EnqueueCall, Execution, Middleware } from './middleware.ts'

/**
 * Runs a call through every `enqueue` middleware, then `send`.
 *
 * @throws what a middleware or `send` throws, and OPTION_INVALID where a middleware calls `next` twice, or ends well
 * without it
 */
export async function aroundEnqueue(
  middleware: readonly Middleware[],
  call: EnqueueCall,
  send: (call: EnqueueCall) => Promise<void>,
): Promise<void> {
  const around = middleware.filter(({ enqueue }) => enqueue !== undefined)
  let sent = false
  const step = async (i: number): Promise<void> => {
    const one = around[i]
    if (one?.enqueue === undefined) {
      sent = true
      return send(call)
    }
    await one.enqueue(
      call,
      once('enqueue', () => step(i + 1)),
    )
  }
  await step(0)
  if (sent) return
  throw new OffstageError(
    'OPTION_INVALID',
    `an enqueue middleware ended without calling next() for task '${call.task}'; to refuse a call, throw`,
  )
}

/** Runs an attempt through every `run` middleware, then `handler`. Answers the result. */
export function aroundRun(
  middleware: readonly Middleware[],
  execution: Execution,
  handler: () => Promise<unknown>,
): Promise<unknown> {
  const around = middleware.filter(({ run }) => run !== undefined)
  const step = async (i: number): Promise<unknown> => {
    const one = around[i]
    if (one?.run === undefined) return handler()
    return one.run(
      execution,
      once('run', () => step(i + 1)),
    )
  }
  return step(0)
}

function once<T>(kind: 'enqueue' | 'run', next: () => Promise<T>): () => Promise<T> {
  let called = false
  return async () => {
    if (called) throw new OffstageError('OPTION_INVALID', `a ${kind} middleware called next() twice`)
    called = true
    return next()
  }
}
