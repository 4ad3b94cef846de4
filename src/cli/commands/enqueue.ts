// offstage enqueue: one job from the shell.
import { type App, offstage } from '../../app/app.ts'
import type { JobHandle } from '../../client/handle.ts'
import type { Task } from '../../client/task.ts'
import { codeOf } from '../../errors/error.ts'
import { type AnyTask, definitionOf } from '../../task/definition.ts'
import type { JobOptions } from '../../task/options.ts'
import { readAll } from '../ask.ts'
import { suggestion } from '../closest.ts'
import { findUrl, sqliteFile, withEntry } from '../connect.ts'
import { exitCodes, NotFoundError, UsageError } from '../exit.ts'
import { terminalLogger } from '../log.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { plain, plainLines } from '../text.ts'

export const spec: CommandSpec = {
  args: '<task> [json|-]',
  details: [
    'With an entry the schema of the task checks the input, and its options hold. Without one the JSON is enqueued',
    "as it is, with the defaults. '-' reads the JSON from stdin. Prints the id of the job; with --wait its result.",
  ],
  options: {
    id: { type: 'string', value: '<id>', help: 'the id of the job: enqueueing it again does nothing' },
    delay: { type: 'string', value: '<duration>', help: 'run no sooner than that from now' },
    priority: { type: 'string', value: '<0..9>', help: 'higher runs first' },
    queue: { type: 'string', value: '<name>', help: "the queue, instead of the task's" },
    partition: { type: 'string', value: '<name>', help: 'the partition of the queue' },
    header: { type: 'string', value: '<name=value>', multiple: true, help: 'a header; may be repeated' },
    tag: { type: 'string', value: '<tag>', multiple: true, help: 'a tag; may be repeated' },
    wait: { type: 'boolean', help: 'wait for the job to end and print its result' },
    timeout: { type: 'string', value: '<duration>', help: 'how long to wait; the job goes on after it' },
  },
  examples: [
    `offstage enqueue send-welcome '{"to":"ada@example.org"}' --entry ./tasks/index.ts`,
    'offstage enqueue send-welcome - --delay 5m --id welcome-17 < input.json',
    'offstage enqueue resize \'{"id":1}\' --wait --timeout 1m',
  ],
  positionals: { min: 1, max: 2 },
}

export async function run(context: CommandContext): Promise<number> {
  const { args, settings } = context
  if (args.has('timeout') && !args.has('wait')) throw new UsageError('--timeout goes together with --wait')
  const input = await readInput(context)
  const options = jobOptions(context)
  const entry = await settings.find('entry')
  if (entry !== undefined) {
    return withEntry(context, entry.values, ({ app, tasks }) =>
      enqueue(context, findTask(context, app, tasks), input, options),
    )
  }
  return withoutEntry(context, input, options)
}

async function withoutEntry(context: CommandContext, input: unknown, options: JobOptions): Promise<number> {
  const { args, out, settings } = context
  const target = await findUrl(context)
  const app = offstage({
    broker: target.url,
    namespace: await settings.text('namespace'),
    logger: terminalLogger(out),
  })
  try {
    const task = app.define<unknown>({ name: args.positionals[0] ?? '' })
    const named = target.from === 'default' ? ` in ${plain(sqliteFile(target) ?? target.url)}` : ''
    out.note(
      `no entry is named, so nothing checks the input: '${task.name}' is enqueued as it is, with the defaults${named}`,
    )
    return await enqueue(context, task, input, options)
  } finally {
    await app.close()
  }
}

function findTask({ args }: CommandContext, app: App, tasks: readonly AnyTask[]): Task {
  const name = args.positionals[0] ?? ''
  // By name from the app: what the module exports is tied to the same app, and this has the calls of a task.
  const found = app.tasks.find((task) => task.name === name)
  if (found !== undefined) return found
  const known = [...new Set([...tasks, ...app.tasks].map((task) => task[definitionOf].name))]
  const hint = suggestion(name, known) || `; it has ${known.join(', ') || 'none'}`
  throw new NotFoundError(`the app has no task '${plain(name)}'${hint}`)
}

async function enqueue(
  context: CommandContext,
  task: Task,
  input: unknown,
  options: JobOptions,
): Promise<number> {
  const { args, out } = context
  const job = await task.enqueue(input, options)
  const answer = { id: job.id, task: task.name, duplicate: job.duplicate }
  if (job.duplicate) out.note(`${plain(job.id)} was there already`)
  if (args.has('wait')) return wait(context, job, answer)
  if (out.json) out.document(answer)
  else out.line(plain(job.id))
  return exitCodes.ok
}

/** Prints the result, or why there is none. */
async function wait(
  { args, out }: CommandContext,
  job: JobHandle,
  answer: { readonly id: string },
): Promise<number> {
  if (!out.json) out.note(`waiting for ${plain(job.id)}`)
  try {
    const result = await job.result({ timeout: args.text('timeout') })
    if (out.json) out.document({ ...answer, state: 'succeeded', result })
    else if (result !== undefined) out.line(JSON.stringify(result))
    return exitCodes.ok
  } catch (error) {
    const state = endings[codeOf(error) ?? '']
    if (state === undefined || !(error instanceof Error)) throw error
    const cause = error.cause instanceof Error ? error.cause : undefined
    const reason = cause === undefined ? undefined : { name: cause.name, message: cause.message }
    if (out.json) out.document({ ...answer, state, message: error.message, error: reason })
    else
      out.error(
        plain(error.message),
        cause === undefined ? undefined : plainLines(cause.stack ?? cause.message),
      )
    return exitCodes.failed
  }
}

/** How a wait ends without a result. */
const endings: { readonly [code: string]: string } = {
  JOB_FAILED: 'failed',
  JOB_CANCELLED: 'cancelled',
  RESULT_TIMEOUT: 'unfinished',
}

async function readInput({ args, io }: CommandContext): Promise<unknown> {
  const given = args.positionals[1]
  if (given === undefined) return undefined
  const text = given === '-' ? await readAll(io) : given
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    const where = given === '-' ? 'stdin' : 'the input'
    throw new UsageError(`${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function jobOptions({ args }: CommandContext): JobOptions {
  const tags = args.texts('tag')
  return {
    id: args.text('id'),
    delay: args.duration('delay'),
    priority: args.whole('priority', 0, 9),
    queue: args.text('queue'),
    partition: args.text('partition'),
    headers: args.pairs('header'),
    ...(tags.length > 0 && { tags }),
  }
}
