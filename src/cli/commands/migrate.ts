// offstage migrate: brings the tables and functions of a store up to date, or shows what is to be done.
import { isMigrating, type MigratingBroker, type StoreState } from '../../broker/migrating.ts'
import { withUnopened } from '../connect.ts'
import { exitCodes, UsageError } from '../exit.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { plain, plural } from '../text.ts'

const MAX_VERSION = 9_999

export const spec: CommandSpec = {
  args: '',
  details: [
    'Applies the steps that the store lacks, in one transaction, with a role that owns it. Workers of the version before',
    'go on meanwhile, and several who migrate at once do it once. Only PostgreSQL needs it, and only where the workers',
    'may not (migrate=off): by default opening does the same. With --status it changes nothing, and exits 1 where steps are pending. With --sql it prints the script for whoever runs it by hand, without asking the server.',
  ],
  options: {
    status: { type: 'boolean', help: 'show the version and the steps that are pending; change nothing' },
    sql: { type: 'boolean', help: 'print the script; do not connect' },
    from: {
      type: 'string',
      value: '<version>',
      help: 'with --sql: what the store is at; default 0, nothing',
    },
  },
  examples: [
    'offstage migrate --broker postgres://owner@db.internal/app',
    'offstage migrate --status',
    'offstage migrate --sql > offstage.sql',
  ],
  positionals: { min: 0, max: 0 },
}

export function run(context: CommandContext): Promise<number> {
  const { args, out } = context
  if (args.has('sql') && (args.has('status') || out.json))
    throw new UsageError('--sql prints a script: give it without --status and --json')
  if (args.has('from') && !args.has('sql')) throw new UsageError('--from belongs to --sql')
  const from = args.whole('from', 0, MAX_VERSION) ?? 0
  return withUnopened(context, async (broker) => {
    if (isMigrating(broker)) {
      if (args.has('sql')) return printScript(context, broker, from)
      return args.has('status') ? status(context, broker) : migrate(context, broker)
    }
    if (args.has('sql')) throw new UsageError(`the ${broker.name} broker has no script; PostgreSQL has one`)
    if (out.json) out.document({ broker: broker.name, pending: [], applied: [] })
    else out.line(`the ${broker.name} broker brings its store up to date by itself; there is nothing to do`)
    return exitCodes.ok
  })
}

function printScript({ out }: CommandContext, broker: MigratingBroker, from: number): number {
  const script = broker.migrationSql(from)
  if (script === '') out.note(`the store is at version ${from}, the latest; there is nothing to do`)
  else out.line(script.trimEnd())
  return exitCodes.ok
}

async function status({ out }: CommandContext, broker: MigratingBroker): Promise<number> {
  const state = await broker.storeState()
  const { location, version, latest, readableBy, pending } = state
  if (out.json) {
    out.document({ broker: broker.name, location, version, latest, readableBy, pending, applied: [] })
  } else {
    out.line(`${broker.name} at ${plain(location)}: ${versionText(state)}`)
    for (const step of pending) out.line(`pending  ${stepText(step)}`)
    if (pending.length > 0) out.note(`${plural(pending.length, 'step')} to apply: offstage migrate`)
  }
  return pending.length === 0 ? exitCodes.ok : exitCodes.failed
}

async function migrate({ out }: CommandContext, broker: MigratingBroker): Promise<number> {
  const before = await broker.migrateStore()
  const { location, pending: applied, latest } = before
  if (out.json) {
    const version = Math.max(before.version, latest)
    const readableBy = applied.length === 0 ? before.readableBy : (await broker.storeState()).readableBy
    out.document({ broker: broker.name, location, version, latest, readableBy, pending: [], applied })
    return exitCodes.ok
  }
  for (const step of applied) out.line(`applied  ${stepText(step)}`)
  const now = applied.length === 0 ? versionText(before) : `version ${latest}, the latest`
  out.line(`${broker.name} at ${plain(location)}: ${now}`)
  return exitCodes.ok
}

function versionText({ version, latest }: StoreState): string {
  if (version === 0) return 'nothing is there yet'
  if (version === latest) return `version ${version}, the latest`
  return version < latest
    ? `version ${version} of ${latest}`
    : `version ${version}, newer than this library's ${latest}, which may use it`
}

function stepText({ version, name }: { readonly version: number; readonly name: string }): string {
  return `${String(version).padStart(4, '0')} ${name.replaceAll('_', ' ')}`
}
