// Finds the broker that a command works on, and opens and closes it around the command.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { App } from '../app/app.ts'
import type { Broker } from '../broker/contract.ts'
import { parseUrl } from '../brokers/sqlite/options.ts'
import { OffstageError } from '../errors/error.ts'
import type { Entry } from './entry.ts'
import { UsageError } from './exit.ts'
import { levels, type Setting } from './settings.ts'
import type { CommandContext } from './spec.ts'
import { plain } from './text.ts'

export interface UrlTarget {
  readonly kind: 'url'
  readonly url: string
  /** Where relative files start. */
  readonly baseDir: string
  /** Where it was named, or `default`. */
  readonly from: string
}

/** Where the broker comes from: a URL, or the app of an entry. */
export type Target =
  | UrlTarget
  | { readonly kind: 'entry'; readonly paths: readonly string[]; readonly from: string }

/**
 * At each level, option before environment before config file, a broker that is named comes before the app of an
 * entry. Where nothing is named it is the file that an app would use.
 */
export async function findTarget(context: CommandContext): Promise<Target> {
  const { settings } = context
  for (const level of levels) {
    const broker = await settings.at(level, 'broker')
    if (broker !== undefined) return urlTarget(context, broker)
    const entry = await settings.at(level, 'entry')
    if (entry !== undefined) return { kind: 'entry', paths: entry.values, from: entry.from }
  }
  return urlTarget(context, undefined)
}

/** The broker that is named by its URL, whatever entries there are; else the file that an app would use. */
export async function findUrl(context: CommandContext): Promise<UrlTarget> {
  return urlTarget(context, await context.settings.find('broker'))
}

async function urlTarget({ io }: CommandContext, named: Setting | undefined): Promise<UrlTarget> {
  const { locateBroker } = await import('../app/locate.ts')
  // The settings have looked into the environment already, and know what wins over it.
  const { OFFSTAGE_BROKER: _, ...env } = io.env
  const { url, baseDir } = locateBroker(named?.values[0], { env, cwd: io.cwd })
  return { kind: 'url', url, baseDir, from: named?.from ?? 'default' }
}

/** Opens the broker of the command, runs `use`, and closes it again. */
export async function withBroker<T>(
  context: CommandContext,
  use: (broker: Broker) => Promise<T>,
  options: { readonly create?: boolean | undefined } = {},
): Promise<T> {
  const target = await findTarget(context)
  if (target.kind === 'entry')
    return withEntry(context, target.paths, async ({ app }) => use(await app.broker()))
  if (options.create === true) return closingAfter(await openUrl(context, target), use)
  checkFile(target)
  return withUrl(context, target, use)
}

/** Opens the broker of a URL as it is, without making or changing a schema, runs `use`, and closes it again. */
export async function withUrl<T>(
  context: CommandContext,
  target: UrlTarget,
  use: (broker: Broker) => Promise<T>,
): Promise<T> {
  return closingAfter(await openUrl(context, target, { migrate: false }), use)
}

/** The broker of the command as it is before it is opened; closes it after `use`. */
export async function withUnopened<T>(
  context: CommandContext,
  use: (broker: Broker) => Promise<T>,
): Promise<T> {
  const target = await findTarget(context)
  if (target.kind === 'url') return closingAfter(await makeUrl(context, target), use)
  const [{ app }, { linkOf }] = await Promise.all([
    loadEntryOf(context, target.paths),
    import('../app/app.ts'),
  ])
  try {
    const broker = await linkOf(app).make()
    await checkNamespace(context, () => Promise.resolve(broker))
    return await closingAfter(broker, use)
  } finally {
    await app.close()
  }
}

async function closingAfter<T>(broker: Broker, use: (broker: Broker) => Promise<T>): Promise<T> {
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}

/**
 * Loads the entry, puts the broker of `--broker` under its app where that is given, runs `use`, and closes the app.
 *
 * @param patiently opens that broker; default at the first try
 */
export async function withEntry<T>(
  context: CommandContext,
  paths: readonly string[],
  use: (entry: Entry) => Promise<T>,
  patiently: (open: () => Promise<Broker>) => Promise<Broker> = (open) => open(),
): Promise<T> {
  const entry = await loadEntryOf(context, paths)
  const own = await context.settings.at('option', 'broker')
  const replaced = own === undefined ? undefined : await replaceBroker(context, entry.app, own, patiently)
  try {
    await checkNamespace(context, () => entry.app.broker())
    return await use(entry)
  } finally {
    await entry.app.close()
    await replaced?.close()
  }
}

async function loadEntryOf({ settings, io }: CommandContext, paths: readonly string[]): Promise<Entry> {
  // The app reads the environment by itself and knows no config file: what that names must reach it before it is made.
  const named = (await settings.at('config', 'broker'))?.values[0]
  if (named !== undefined && (io.env.OFFSTAGE_BROKER ?? '') === '') io.env.OFFSTAGE_BROKER = named
  const { loadEntry } = await import('./entry.ts')
  return loadEntry(paths)
}

/** The option wins over what the code names. */
async function replaceBroker(
  context: CommandContext,
  app: App,
  named: Setting,
  patiently: (open: () => Promise<Broker>) => Promise<Broker>,
): Promise<Broker> {
  const [{ linkOf }, { handToGuests }, { systemClock }] = await Promise.all([
    import('../app/app.ts'),
    import('../app/link.ts'),
    import('../runtime/clock.ts'),
  ])
  const link = linkOf(app)
  const target = await urlTarget(context, named)
  const broker = await patiently(() => openUrl(context, target))
  link.exchange({ broker, clock: systemClock, inline: false })
  const { url, baseDir } = target
  handToGuests({ url, baseDir, namespace: broker.namespace })
  return broker
}

async function checkNamespace(
  { settings }: CommandContext,
  broker: () => Promise<Pick<Broker, 'namespace'>>,
): Promise<void> {
  const wanted = await settings.find('namespace')
  if (wanted === undefined) return
  const { namespace } = await broker()
  if (namespace === wanted.values[0]) return
  throw new UsageError(
    `${wanted.from} is '${plain(wanted.values[0] ?? '')}', but the app keeps its jobs in '${namespace}'; name the broker with --broker too`,
  )
}

async function openUrl(
  context: CommandContext,
  target: UrlTarget,
  options: { readonly migrate?: false } = {},
): Promise<Broker> {
  const broker = await makeUrl(context, target, options)
  await broker.open()
  return broker
}

async function makeUrl(
  { settings }: CommandContext,
  { url, baseDir }: UrlTarget,
  options: { readonly migrate?: false } = {},
): Promise<Broker> {
  const { openBroker } = await import('../brokers/open.ts')
  return openBroker(url, { ...options, baseDir, namespace: await settings.text('namespace') })
}

/** Asking must not make an empty store where nobody has worked yet, or where the command runs in the wrong folder. */
function checkFile(target: UrlTarget): void {
  const file = sqliteFile(target)
  if (file === undefined || existsSync(file)) return
  const how = target.from === 'default' ? '; name the broker with --broker, or the app with --entry' : ''
  throw new OffstageError('BROKER_UNAVAILABLE', `there is no store ${plain(file)} yet${how}`)
}

/** The absolute file of a SQLite broker; undefined for other brokers and for one in memory. */
export function sqliteFile({ url, baseDir }: UrlTarget): string | undefined {
  if (!url.startsWith('sqlite:')) return undefined
  const { file } = parseUrl(url)
  return file === ':memory:' ? undefined : resolve(baseDir, file)
}
