// offstage doctor: checks that this machine, its modules and its broker can do the work.
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Broker, BrokerHealth } from '../../broker/contract.ts'
import {
  type Check,
  checkClock,
  checkConfig,
  checkNode,
  checkRoom,
  checkStoreFile,
  checkTypeScript,
  fail,
  messageOf,
  ok,
  warn,
} from '../checks.ts'
import { findTarget, sqliteFile, type Target, withEntry, withUrl } from '../connect.ts'
import { exitCodes } from '../exit.ts'
import { LoadError, userStack } from '../load.ts'
import type { Style } from '../output.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { formatBytes, plain, plainLines, plural } from '../text.ts'

export const spec: CommandSpec = {
  args: '',
  details: [
    'Checks Node, the config, TypeScript, the modules of tasks, the store and its disk, the broker and its clock.',
    'A store that is not there yet is not made, and none is changed. Exits 1 where a check fails; warnings do not count.',
  ],
  options: {},
  examples: [
    'offstage doctor',
    'offstage doctor --entry ./tasks/index.ts --broker sqlite:/var/lib/app/offstage.db',
  ],
  positionals: { min: 0, max: 0 },
}

export async function run(context: CommandContext): Promise<number> {
  const { out } = context
  const checks: Check[] = []
  for await (const check of examine(context)) {
    checks.push(check)
    if (!out.json) print(context, check)
  }
  const failed = checks.filter(({ status }) => status === 'fail').length
  const warned = checks.filter(({ status }) => status === 'warn').length
  if (out.json) out.document({ ok: failed === 0, checks })
  else
    out.note(
      failed === 0
        ? `all is well${warned > 0 ? `, with ${plural(warned, 'warning')}` : ''}`
        : `${plural(failed, 'check')} failed`,
    )
  return failed === 0 ? exitCodes.ok : exitCodes.failed
}

const STYLES: { readonly [S in Check['status']]: Style } = { ok: 'green', warn: 'yellow', fail: 'red' }

function print({ out }: CommandContext, { name, status, message }: Check): void {
  out.line(`${out.style(STYLES[status], status.padEnd(4))}  ${name.padEnd(10)}  ${message}`)
}

async function* examine(context: CommandContext): AsyncGenerator<Check, void, undefined> {
  const { settings, io } = context
  yield checkNode(process.versions.node)
  const config = await checkConfig(settings)
  yield config
  // A config that cannot be read would fail everything below with the same words.
  if (config.status === 'fail') return
  const entries = (await settings.find('entry'))?.values ?? []
  const typescript = checkTypeScript(entries, io.cwd)
  yield typescript
  const target = await targetOf(context)
  if ('status' in target) yield target
  else yield* examineTarget(context, target, entries)
}

async function targetOf(context: CommandContext): Promise<Target | Check> {
  try {
    return await findTarget(context)
  } catch (error) {
    return fail('broker', messageOf(error))
  }
}

/** The store before it is opened, then the broker; the tasks with it, since both come with the app of an entry. */
async function* examineTarget(
  context: CommandContext,
  target: Target,
  entries: readonly string[],
): AsyncGenerator<Check, void, undefined> {
  if (target.kind === 'entry') {
    yield* await guarded('tasks', () =>
      withEntry(context, target.paths, async ({ app, tasks }) => [
        tasksCheck(tasks),
        ...(await guarded('broker', async () =>
          examineBroker(await app.broker(), `named by ${target.from}`),
        )),
      ]),
    )
    return
  }
  yield* entries.length === 0
    ? [warn('tasks', 'no entry is named, so the modules of tasks were not checked')]
    : await guarded('tasks', async () => {
        const { loadEntry } = await import('../entry.ts')
        return [tasksCheck((await loadEntry(entries)).tasks)]
      })
  const file = sqliteFile(target)
  const from = `${target.from === 'default' ? 'by default' : `named by ${target.from}`}`
  if (file !== undefined) {
    yield* checkStoreFile(file)
    if (existsSync(dirname(file))) yield await checkRoom(dirname(file))
  }
  // The engine can be tried without making the file.
  const tried = file !== undefined && !existsSync(file) ? { ...target, url: 'sqlite::memory:' } : target
  yield* await guarded('broker', () => withUrl(context, tried, (broker) => examineBroker(broker, from)))
}

async function examineBroker(broker: Broker, from: string): Promise<readonly Check[]> {
  const { now, location, engine, durability, warnings, facts } = await broker.health()
  return [
    ok('broker', `${broker.name} at ${plain(location)}, ${from}, namespace ${plain(broker.namespace)}`),
    ok('engine', plain(engine)),
    ok('durability', plain(durability)),
    ...factsCheck(facts, `${location} ${engine}`),
    ...warnings.map((text) => warn('broker', plain(text))),
    checkClock(now, Date.now()),
  ]
}

/** What else the broker tells of itself, in one line: `role primary, memory 1.2 MiB, ping 0.3 ms`. */
function factsCheck(facts: BrokerHealth['facts'], said: string): readonly Check[] {
  const parts = Object.entries(facts)
    .filter(([, value]) => typeof value === 'number' || !said.includes(value))
    .map(([name, value]) => plain(factText(name, value)))
  return parts.length === 0 ? [] : [ok('facts', parts.join(', '))]
}

/** `memoryBytes: 2048` is `memory 2 KiB`, `pingMs: 0.3` is `ping 0.3 ms`. */
function factText(name: string, value: string | number): string {
  const words = (text: string): string => text.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
  if (typeof value !== 'number') return `${words(name)} ${value}`
  if (name.endsWith('Bytes')) return `${words(name.slice(0, -5))} ${formatBytes(value)}`
  if (name.endsWith('Ms')) return `${words(name.slice(0, -2))} ${value} ms`
  return `${words(name)} ${value}`
}

function tasksCheck(tasks: readonly { readonly name: string }[]): Check {
  const names = tasks.map(({ name }) => plain(name)).join(', ')
  return tasks.length === 0
    ? warn('tasks', 'the app has no tasks')
    : ok('tasks', `${plural(tasks.length, 'task')}: ${names}`)
}

/** What a check throws is its failure, told with the user's own stack where a module could not be loaded. */
async function guarded(name: string, examineIt: () => Promise<readonly Check[]>): Promise<readonly Check[]> {
  try {
    return await examineIt()
  } catch (error) {
    const stack = error instanceof LoadError ? `\n${plainLines(userStack(error.cause))}` : ''
    return [fail(name, `${messageOf(error)}${stack}`)]
  }
}
