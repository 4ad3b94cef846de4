// offstage jobs show: all that is known of one job.
import type { Broker } from '../../broker/contract.ts'
import type { LogLine } from '../../broker/records.ts'
import { type JobSnapshot, toSnapshot } from '../../client/snapshot.ts'
import type { StoredError } from '../../job/record.ts'
import { formatMs } from '../../runtime/durations.ts'
import { withBroker } from '../connect.ts'
import { exitCodes, NotFoundError } from '../exit.ts'
import { detailOf, iso, stateStyles } from '../job-view.ts'
import type { Output } from '../output.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { formatAge, plain, plainLines } from '../text.ts'

const MAX_SHOWN = 2_000
const LABEL_WIDTH = 12

export const spec: CommandSpec = {
  args: '<id>',
  options: {
    logs: { type: 'boolean', help: 'its log lines too' },
    full: { type: 'boolean', help: `payloads and stacks whole, not cut to ${MAX_SHOWN} characters` },
  },
  examples: [
    'offstage jobs show welcome-17',
    'offstage jobs show welcome-17 --logs',
    "offstage jobs show welcome-17 --json | jq '.result'",
  ],
  positionals: { min: 1, max: 1 },
}

export function run(context: CommandContext): Promise<number> {
  const { args, out } = context
  const id = args.positionals[0] ?? ''
  return withBroker(context, async (broker) => {
    const [record] = await broker.get([id])
    if (record === undefined) throw new NotFoundError(`no job '${plain(id)}' is kept here`)
    const job = toSnapshot(record)
    const logs = args.has('logs') ? await allLogs(broker, id) : undefined
    if (out.json) {
      const lines = logs?.map(({ at, ...line }) => ({ ...line, at: iso(at) }))
      out.document({ ...detailOf(job), ...(lines !== undefined && { logs: lines }) })
      return exitCodes.ok
    }
    const { now } = await broker.health()
    new Sheet(out, now, args.has('full')).print(job, logs)
    return exitCodes.ok
  })
}

async function allLogs(broker: Broker, id: string): Promise<readonly LogLine[]> {
  const lines: LogLine[] = []
  for (;;) {
    const page = await broker.logs(id, lines.at(-1)?.seq)
    lines.push(...page)
    if (page.length === 0) return lines
  }
}

/** Prints a job as labelled lines. */
class Sheet {
  readonly #out: Output
  readonly #now: number
  readonly #full: boolean

  constructor(out: Output, now: number, full: boolean) {
    this.#out = out
    this.#now = now
    this.#full = full
  }

  print(job: JobSnapshot, logs: readonly LogLine[] | undefined): void {
    this.#field('id', job.id)
    this.#field('task', job.task)
    this.#label(
      'state',
      this.#out.style(stateStyles[job.state], job.state) + (job.cancelling ? ', cancelling' : ''),
    )
    this.#field('reason', job.reason)
    this.#field('queue', job.queue)
    this.#field('partition', job.partition)
    this.#field('priority', String(job.priority))
    this.#moment('enqueued', job.createdAt)
    this.#moment('due', job.runAt)
    this.#moment('started', job.startedAt)
    this.#moment('ended', job.endedAt)
    this.#moment('expires', job.expiresAt)
    this.#field(
      'failures',
      job.retry === undefined ? String(job.failures) : `${job.failures} of ${job.retry.attempts} attempts`,
    )
    if (job.crashes > 0) this.#field('crashes', `${job.crashes} of ${job.maxCrashes}`)
    if (job.lease !== undefined) {
      this.#field(
        'worker',
        `${job.lease.worker}, token ${job.lease.token}, until ${formatAge(job.lease.until, this.#now)}`,
      )
    }
    this.#pairs('search', job.search)
    this.#field('tags', job.tags?.join(', '))
    this.#pairs('headers', job.headers)
    this.#field('unique', job.unique?.key)
    this.#field('workflow', job.workflow)
    if (job.dependenciesLeft !== undefined) this.#field('waits for', `${job.dependenciesLeft} jobs`)
    this.#payload('input', job)
    this.#payload('progress', job)
    this.#payload('result', job)
    if (job.error !== undefined) this.#error(job.error)
    this.#attempts(job)
    if (logs !== undefined) this.#logs(logs)
  }

  #label(label: string, text: string): void {
    this.#out.line(`${this.#out.style('dim', label.padEnd(LABEL_WIDTH))}${text}`)
  }

  #field(label: string, text: string | undefined): void {
    if (text !== undefined) this.#label(label, plain(text))
  }

  #moment(label: string, at: number | undefined): void {
    if (at !== undefined) this.#label(label, `${iso(at)} (${formatAge(at, this.#now)})`)
  }

  #pairs(label: string, pairs: { readonly [name: string]: string } | undefined): void {
    for (const [name, value] of Object.entries(pairs ?? {})) this.#field(label, `${name}=${value}`)
  }

  #payload(field: 'input' | 'progress' | 'result', job: JobSnapshot): void {
    if (job.unreadable?.includes(field) === true) this.#field(field, 'its bytes cannot be read')
    else if (job[field] !== undefined) this.#label(field, this.#cut(plain(JSON.stringify(job[field]))))
  }

  #error(error: StoredError): void {
    this.#field('error', `${error.name}: ${error.message}`)
    if (error.stack !== undefined) this.#out.line(indent(this.#cut(plainLines(error.stack))))
    if (error.cause !== undefined) this.#field('cause', `${error.cause.name}: ${error.cause.message}`)
  }

  #attempts({ attempts }: JobSnapshot): void {
    if (attempts.length === 0) return
    this.#out.line('')
    this.#out.table(
      [
        { title: 'ATTEMPT ENDED' },
        { title: 'OUTCOME' },
        { title: 'TOOK', align: 'right' },
        { title: 'WORKER' },
        { title: 'ERROR', shrinks: true },
      ],
      attempts.map(({ endedAt, startedAt, outcome, worker, error }) => [
        { text: formatAge(endedAt, this.#now) },
        { text: outcome },
        { text: formatMs(Math.max(0, endedAt - startedAt)) },
        { text: plain(worker) },
        { text: error === undefined ? '' : plain(`${error.name}: ${error.message}`) },
      ]),
    )
  }

  #logs(logs: readonly LogLine[]): void {
    this.#out.line('')
    if (logs.length === 0) this.#out.line('no log lines')
    for (const { at, level, text } of logs) this.#out.line(`${iso(at)}  ${level.padEnd(5)}  ${plain(text)}`)
  }

  #cut(text: string): string {
    if (this.#full || text.length <= MAX_SHOWN) return text
    return `${text.slice(0, MAX_SHOWN)}… (${text.length - MAX_SHOWN} more characters; --full shows them)`
  }
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}
