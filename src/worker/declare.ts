// The limits that the tasks of a worker ask for, as rules for the broker.
import { isDeepStrictEqual } from 'node:util'
import type { Limit, LimitRule } from '../broker/records.ts'
import type { Logger } from '../runtime/logger.ts'
import type { RunnableTask } from '../task/runnable.ts'

/**
 * A task without a limit clears the one it declared before. The limit of a queue's partitions is only ever set here,
 * since other workers may know tasks of that queue that these know nothing of.
 */
export function declaredLimits(tasks: readonly RunnableTask[], logger: Logger): readonly LimitRule[] {
  const ofTasks = tasks.map(
    ({ name, limit }): LimitRule => ({
      scope: { kind: 'task', task: name },
      source: 'declared',
      limit: limit ?? null,
    }),
  )
  const byQueue = new Map<string, { readonly task: string; readonly limit: Limit }>()
  for (const { name, queue, partitionLimit } of tasks) {
    if (partitionLimit === undefined) continue
    const first = byQueue.get(queue)
    if (first === undefined) byQueue.set(queue, { task: name, limit: partitionLimit })
    else if (!isDeepStrictEqual(first.limit, partitionLimit)) {
      logger.warn(
        { queue, tasks: [first.task, name] },
        `tasks '${first.task}' and '${name}' set different limits for the partitions of queue '${queue}': that of '${first.task}' holds`,
      )
    }
  }
  const ofPartitions = [...byQueue].map(
    ([queue, { limit }]): LimitRule => ({ scope: { kind: 'partition', queue }, source: 'declared', limit }),
  )
  return [...ofTasks, ...ofPartitions]
}
