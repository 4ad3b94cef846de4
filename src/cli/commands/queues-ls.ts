// offstage queues ls: every queue with its counts and limits.
import type { Limit, QueueInfo } from '../../broker/records.ts'
import { formatRate } from '../../job/rates.ts'
import { jobStates } from '../../job/states.ts'
import { withBroker } from '../connect.ts'
import { exitCodes } from '../exit.ts'
import { stateStyles } from '../job-view.ts'
import type { Cell } from '../output.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { formatCount, plain } from '../text.ts'

export const spec: CommandSpec = {
  args: '',
  options: {},
  examples: ['offstage queues ls', "offstage queues ls --json | jq '.queues[] | select(.paused)'"],
  positionals: { min: 0, max: 0 },
}

export function run(context: CommandContext): Promise<number> {
  const { out } = context
  return withBroker(context, async (broker) => {
    const queues = await broker.queues()
    if (out.json) out.document({ queues: queues.map(queueJson) })
    else if (queues.length === 0) out.note('there are no queues yet')
    else {
      out.table(
        [
          { title: 'QUEUE' },
          ...jobStates.map((state) => ({ title: state.toUpperCase(), align: 'right' as const })),
          { title: 'LIMITS', shrinks: true },
        ],
        queues.map((info): readonly Cell[] => [
          { text: plain(info.queue) },
          ...jobStates.map(
            (state): Cell => ({
              text: formatCount(info.counts[state]),
              style: info.counts[state] === 0 ? 'dim' : stateStyles[state],
            }),
          ),
          { text: notesOf(info), ...(info.paused && { style: 'yellow' }) },
        ]),
      )
    }
    return exitCodes.ok
  })
}

function notesOf({ paused, limit, partitionLimit }: QueueInfo): string {
  return [
    ...(paused ? ['paused'] : []),
    ...(limit === undefined ? [] : [limitText(limit)]),
    ...(partitionLimit === undefined ? [] : [`each partition ${limitText(partitionLimit)}`]),
  ].join('; ')
}

/** `3 at once, 100/m`. */
export function limitText({ concurrency, rate }: Limit): string {
  const parts = [
    ...(concurrency === undefined ? [] : [`${concurrency} at once`]),
    ...(rate === undefined ? [] : [formatRate(rate)]),
  ]
  return parts.length === 0 ? 'none' : parts.join(', ')
}

/** A limit for machines: the rate as it is written, `100/m`. */
export function limitJson(
  limit: Limit | null | undefined,
): { readonly [name: string]: unknown } | null | undefined {
  if (limit === undefined || limit === null) return limit
  return {
    concurrency: limit.concurrency,
    rate: limit.rate === undefined ? undefined : formatRate(limit.rate),
  }
}

function queueJson({ queue, paused, counts, limit, partitionLimit }: QueueInfo): {
  readonly [name: string]: unknown
} {
  return { queue, paused, counts, limit: limitJson(limit), partitionLimit: limitJson(partitionLimit) }
}
