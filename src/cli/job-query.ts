// The filters of the `jobs` commands: their options, and the query that they make.
import type { Broker } from '../broker/contract.ts'
import type { JobQuery } from '../broker/records.ts'
import { type JobState, jobStates } from '../job/states.ts'
import { durationMs } from '../runtime/durations.ts'
import { suggestion } from './closest.ts'
import { UsageError } from './exit.ts'
import type { ParsedArgs } from './parse.ts'
import type { OptionSpecs } from './spec.ts'

export const filterOptions: OptionSpecs = {
  state: {
    type: 'string',
    value: '<state>',
    multiple: true,
    help: `${jobStates.join(', ')}; several with commas`,
  },
  task: { type: 'string', value: '<name>', help: 'jobs of this task' },
  queue: { type: 'string', value: '<name>', help: 'jobs of this queue' },
  partition: { type: 'string', value: '<name>', help: 'jobs of this partition' },
  search: {
    type: 'string',
    value: '<field=value>',
    multiple: true,
    help: 'a search field of the job; may be repeated',
  },
  tag: { type: 'string', value: '<tag>', help: 'jobs with this tag' },
  since: {
    type: 'string',
    value: '<when>',
    help: "enqueued since then: '2h' ago, or a date such as 2030-01-31",
  },
}

/** True where any filter was given. */
export function hasFilter(args: ParsedArgs): boolean {
  return Object.keys(filterOptions).some((name) => args.has(name))
}

/** The query of the filters; `since` is reckoned from the broker's clock. */
export async function queryOf(args: ParsedArgs, broker: Broker): Promise<JobQuery> {
  const states = args
    .texts('state')
    .flatMap((text) => text.split(','))
    .map(checkState)
  const since = args.text('since')
  return {
    ...(states.length > 0 && { states }),
    task: args.text('task'),
    queue: args.text('queue'),
    partition: args.text('partition'),
    search: args.pairs('search'),
    tag: args.text('tag'),
    ...(since !== undefined && { createdFrom: await momentOf(since, broker) }),
  }
}

function checkState(text: string): JobState {
  const state = jobStates.find((known) => known === text.trim())
  if (state !== undefined) return state
  const help = suggestion(text, jobStates) || `; it is one of ${jobStates.join(', ')}`
  throw new UsageError(`--state is '${text}'${help}`)
}

async function momentOf(text: string, broker: Broker): Promise<number> {
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const at = Date.parse(text)
    if (!Number.isNaN(at)) return at
    throw new UsageError(`--since is '${text}'; a date looks like 2030-01-31 or 2030-01-31T12:00:00Z`)
  }
  const ms = durationMs(text, '--since')
  return (await broker.health()).now - ms
}
