// The changes of one job as an async iterable.
import type { JobRecord } from '../job/record.ts'
import { isEnded } from '../job/states.ts'
import type { Watcher } from './watcher.ts'

/**
 * Yields `show(record)` at once and after each change of state, attempt or progress, and ends with the job, with the
 * signal, or when the reader stops.
 *
 * @throws what `show` throws, and what ends the watching
 */
export async function* follow<T>(
  watcher: Watcher,
  id: string,
  signal: AbortSignal | undefined,
  show: (record: JobRecord | undefined) => T,
): AsyncGenerator<T, void, undefined> {
  // What was seen and not yet read. Only the newest is kept unread, so that a slow reader holds no history.
  let unread: { readonly record: JobRecord | undefined } | undefined
  let failure: { readonly error: unknown } | undefined
  let wake = (): void => undefined
  let seen: string | undefined
  const onAbort = (): void => wake()
  const unwatch = watcher.watch(id, {
    everyEvent: true,
    fail: (error) => {
      failure = { error }
      wake()
    },
    see: (record) => {
      const mark = markOf(record)
      if (mark === seen) return
      seen = mark
      unread = { record }
      wake()
    },
  })
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    while (signal?.aborted !== true) {
      if (unread !== undefined) {
        const { record } = unread
        unread = undefined
        yield show(record)
        if (record !== undefined && isEnded(record.state)) return
        continue
      }
      if (failure !== undefined) throw failure.error
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    unwatch()
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Equal for two records where nothing changed that a reader would want to hear of. */
function markOf(record: JobRecord | undefined): string {
  if (record === undefined) return ''
  const { state, failures, crashes, lease, progress } = record
  const text = progress === undefined ? '' : Buffer.from(progress.bytes).toString('base64')
  return [state, failures, crashes, lease?.token ?? '', text].join(' ')
}
