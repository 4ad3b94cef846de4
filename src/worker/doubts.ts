// Options of a worker that are allowed and may well be a mistake: said once, when it starts. They are no errors, since
// a job may name a queue that no task does, and several workers may share their options.
import type { Logger } from '../runtime/logger.ts'
import { closest } from '../task/check.ts'
import type { RunnableTask } from '../task/runnable.ts'
import { ALL_QUEUES, type WorkerSettings } from './options.ts'

export function sayDoubts(settings: WorkerSettings, tasks: readonly RunnableTask[], logger: Logger): void {
  const known = [...new Set(tasks.map(({ queue }) => queue))]
  for (const queue of settings.queues) {
    if (known.includes(queue)) continue
    const text = `the worker serves queue '${queue}', and none of its tasks has that queue; ${hint(queue, known)}`
    logger.warn({ queue }, text)
  }
  for (const { name, batch } of tasks) {
    if (batch === undefined || batch.size <= settings.concurrency) continue
    const facts = { task: name, size: batch.size, concurrency: settings.concurrency }
    const text = `batches of task '${name}' have up to ${batch.size} jobs, and this worker runs ${settings.concurrency} at once: none will have more; raise concurrency`
    logger.warn(facts, text)
  }
  for (const queue of settings.timeoutsMs.keys()) {
    if (queue === ALL_QUEUES || settings.queues.includes(queue)) continue
    const text = `timeouts names queue '${queue}', which this worker does not serve; ${hint(queue, settings.queues)}`
    logger.warn({ queue }, text)
  }
}

function hint(name: string, known: readonly string[]): string {
  const near = closest(name, known)
  return near === undefined ? `there are ${known.map(quoted).join(', ')}` : `did you mean ${quoted(near)}?`
}

function quoted(name: string): string {
  return `'${name}'`
}
