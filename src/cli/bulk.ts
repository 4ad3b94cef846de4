// What `jobs retry`, `jobs cancel` and `jobs rm` have in common: jobs named by id, or all that match, page by page.
import type { Broker } from '../broker/contract.ts'
import type { JobSelection, SelectionAnswer } from '../broker/records.ts'
import type { JobState } from '../job/states.ts'
import { ask } from './ask.ts'
import { withBroker } from './connect.ts'
import { exitCodes, UsageError } from './exit.ts'
import { filterOptions, hasFilter, queryOf } from './job-query.ts'
import type { CommandContext, CommandSpec, OptionSpecs } from './spec.ts'
import { plain, plural } from './text.ts'

const PAGE = 500

export interface Bulk {
  /** `retry`, for the question. */
  readonly verb: string
  /** `retried`, for the answer. */
  readonly done: string
  /** The states it can do something about; what is listed where no state is named. */
  readonly states: readonly JobState[]
  readonly call: (broker: Broker, selection: JobSelection) => Promise<SelectionAnswer>
}

const options: OptionSpecs = {
  ...filterOptions,
  yes: { type: 'boolean', short: 'y', help: 'do not ask; needed where stdin is no terminal' },
}

export function bulkSpec(details: readonly string[], examples: readonly string[]): CommandSpec {
  return {
    args: '<id...>',
    details: [...details, 'By filters instead of ids it works on all jobs that match, after a question.'],
    options,
    examples,
    positionals: { min: 0, max: Number.POSITIVE_INFINITY },
  }
}

export function runBulk(context: CommandContext, bulk: Bulk): Promise<number> {
  const { args, io } = context
  const ids = [...new Set(args.positionals)]
  const filtered = hasFilter(args)
  if (ids.length > 0 && filtered) throw new UsageError('give ids or filters, not both')
  if (ids.length === 0 && !filtered) {
    throw new UsageError(`name the jobs to ${bulk.verb}: ids, or filters such as --state or --task`)
  }
  if (filtered && !args.has('yes') && io.stdin.isTTY !== true) {
    throw new UsageError(`add --yes to ${bulk.verb} all jobs that match: stdin is no terminal to ask at`)
  }
  return withBroker(context, (broker) =>
    filtered ? byFilter(context, bulk, broker) : byId(context, bulk, broker, ids),
  )
}

async function byId(
  { out }: CommandContext,
  bulk: Bulk,
  broker: Broker,
  ids: readonly string[],
): Promise<number> {
  const { done, skipped } = await work(bulk, broker, ids)
  const known = new Set([...done, ...skipped.map(({ id }) => id)])
  const missing = ids.filter((id) => !known.has(id))
  if (out.json) {
    out.document({ done, skipped, missing })
  } else {
    for (const id of done) out.line(`${plain(id)} ${bulk.done}`)
    for (const { id, state } of skipped) out.warn(`${plain(id)} was left alone: it is ${state}`)
    for (const id of missing) out.warn(`no job '${plain(id)}' is kept here`)
  }
  if (missing.length > 0) return exitCodes.notFound
  return skipped.length > 0 ? exitCodes.failed : exitCodes.ok
}

async function byFilter(context: CommandContext, bulk: Bulk, broker: Broker): Promise<number> {
  const { args, out, io } = context
  const ids = await matching(context, bulk, broker)
  if (ids.length > 0 && !args.has('yes')) {
    const sure = await ask(io, `${bulk.verb} ${plural(ids.length, 'job')}? [y/N] `)
    if (!sure) {
      out.note('nothing was changed')
      return exitCodes.failed
    }
  }
  const { done, skipped } = await work(bulk, broker, ids)
  if (out.json) out.document({ done, skipped, missing: [] })
  else out.line(`${plural(done.length, 'job')} ${bulk.done}`)
  if (!out.json && skipped.length > 0) out.note(`${plural(skipped.length, 'job')} left alone`)
  return exitCodes.ok
}

/**
 * The ids of all jobs that match, the oldest first. They are collected before the first is changed, since a change
 * moves jobs between the pages (a retried one stands at the end and may fail again, an active one stays active).
 */
async function matching({ args }: CommandContext, bulk: Bulk, broker: Broker): Promise<readonly string[]> {
  const query = await queryOf(args, broker)
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const page = await broker.list({ ...query, states: query.states ?? bulk.states, limit: PAGE, cursor })
    for (const { id } of page.jobs) ids.push(id)
    cursor = page.cursor
  } while (cursor !== undefined)
  return ids.reverse()
}

async function work(
  bulk: Bulk,
  broker: Broker,
  ids: readonly string[],
): Promise<Pick<SelectionAnswer, 'done' | 'skipped'>> {
  const done: string[] = []
  const skipped: SelectionAnswer['skipped'][number][] = []
  for (let i = 0; i < ids.length; i += PAGE) {
    const answer = await bulk.call(broker, { ids: ids.slice(i, i + PAGE) })
    done.push(...answer.done)
    skipped.push(...answer.skipped)
  }
  return { done, skipped }
}
