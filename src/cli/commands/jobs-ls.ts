// offstage jobs ls: a page of jobs.
import type { Broker } from '../../broker/contract.ts'
import type { ListRequest } from '../../broker/records.ts'
import { toSnapshot } from '../../client/snapshot.ts'
import type { JobRecord } from '../../job/record.ts'
import { withBroker } from '../connect.ts'
import { exitCodes } from '../exit.ts'
import { filterOptions, queryOf } from '../job-query.ts'
import { jobColumns, jobRow, summaryOf } from '../job-view.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 10_000
const PAGE = 1_000

export const spec: CommandSpec = {
  args: '',
  details: ['All filters must hold. The newest jobs come first.'],
  options: {
    ...filterOptions,
    limit: {
      type: 'string',
      value: '<count>',
      help: `at most so many, 1 to ${MAX_LIMIT}; default ${DEFAULT_LIMIT}`,
    },
    cursor: { type: 'string', value: '<cursor>', help: 'go on after the page that gave this cursor' },
    oldest: { type: 'boolean', help: 'the oldest first' },
  },
  examples: [
    'offstage jobs ls --state failed --task send-welcome',
    'offstage jobs ls --search to=ada@example.org --since 2h',
    "offstage jobs ls --state failed --json | jq -r '.jobs[].id'",
  ],
  positionals: { min: 0, max: 0 },
}

export function run(context: CommandContext): Promise<number> {
  const { args, out } = context
  const limit = args.whole('limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT
  return withBroker(context, async (broker) => {
    const request: ListRequest = {
      ...(await queryOf(args, broker)),
      order: args.has('oldest') ? 'oldest' : 'newest',
      cursor: args.text('cursor'),
    }
    const { records, cursor } = await gather(broker, request, limit)
    const jobs = records.map((record) => toSnapshot(record))
    if (out.json) {
      out.document({ jobs: jobs.map(summaryOf), cursor })
    } else if (jobs.length === 0) {
      out.note('no jobs match')
    } else {
      const { now } = await broker.health()
      out.table(
        jobColumns,
        jobs.map((job) => jobRow(job, now)),
      )
    }
    if (!out.json && cursor !== undefined) out.note(`there may be more: --cursor ${cursor}`)
    return exitCodes.ok
  })
}

/** A page may be empty and have a next one, so pages are read until the limit is reached or there are no more. */
async function gather(
  broker: Broker,
  request: ListRequest,
  limit: number,
): Promise<{ records: readonly JobRecord[]; cursor: string | undefined }> {
  const records: JobRecord[] = []
  let cursor = request.cursor
  do {
    const page = await broker.list({ ...request, cursor, limit: Math.min(PAGE, limit - records.length) })
    records.push(...page.jobs)
    cursor = page.cursor
  } while (cursor !== undefined && records.length < limit)
  return { records, cursor }
}
