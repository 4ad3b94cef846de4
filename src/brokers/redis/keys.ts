// Looks, when the broker opens, whether the keys in its place are its own, and whether it may read them.
import { OffstageError } from '../../errors/error.ts'
import { scripts } from './scripts.ts'
import { run, type Space } from './space.ts'

/** The version of the layout of keys and values that this library writes. */
const LAYOUT_VERSION = 1
/** The oldest that can read what this one writes. */
const READABLE_BY = 1

/** The keys that every namespace has, and their types. Those that are made for a queue or a job are checked when used. */
const KEYS: { readonly [name: string]: 'hash' | 'zset' | 'list' } = {
  meta: 'hash',
  jobs: 'hash',
  live: 'hash',
  kinds: 'hash',
  queues: 'hash',
  unique: 'hash',
  needs: 'hash',
  rules: 'hash',
  scopes: 'hash',
  closed: 'hash',
  active: 'hash',
  stale: 'hash',
  workers: 'hash',
  seen: 'hash',
  schedules: 'hash',
  leases: 'zset',
  expiries: 'zset',
  prunes: 'zset',
  staged: 'zset',
  fading: 'zset',
  alive: 'zset',
  outbox: 'list',
  'pruning:succeeded': 'list',
  'pruning:failed': 'list',
  'pruning:cancelled': 'list',
}

/**
 * @param shards over how many shards the namespace is spread
 * @param others the base of the keys that it would have if it were spread, or not
 * @throws STORE_KEY_TAKEN, STORE_TOO_NEW, OPTION_INVALID
 */
export async function checkKeys(space: Space, shards: number, others: string): Promise<void> {
  const elsewhere = await space.client.command(others, 'EXISTS', [`${others}meta`])
  if (elsewhere === 1) throw wrongShards(space, await shardsOf(space, others), shards)
  const [answer = '', ...details] = (
    (await run(space, scripts.open, ...argsOf(shards, false))) as Buffer[]
  ).map(String)
  if (answer === 'type') {
    const [key, there, wanted] = details
    throw new OffstageError(
      'STORE_KEY_TAKEN',
      `the key ${key} holds a ${there} where this library keeps a ${wanted}; nothing was changed. Choose another prefix, or remove the key.`,
      { details: { key } },
    )
  }
  if (answer === 'shards') throw wrongShards(space, details[0] ?? '', shards)
  if (answer === 'newer')
    throw new OffstageError(
      'STORE_TOO_NEW',
      `the namespace '${space.namespace}' can only be read by versions that know layout ${details[0]}; this one knows ${LAYOUT_VERSION}. Update the library.`,
    )
}

/** Notes the version of the layout and the number of shards, where nobody has. */
export async function noteLayout(space: Space, shards: number): Promise<void> {
  await run(space, scripts.open, ...argsOf(shards, true))
}

function argsOf(shards: number, noting: boolean): string[] {
  const versions = [String(LAYOUT_VERSION), String(READABLE_BY)]
  return [...versions, String(shards), noting ? '1' : '0', ...Object.entries(KEYS).flat()]
}

async function shardsOf(space: Space, base: string): Promise<string> {
  return String(await space.client.command(base, 'HGET', [`${base}meta`, 'shards']))
}

function wrongShards({ namespace }: Space, there: string, shards: number): OffstageError {
  return new OffstageError(
    'OPTION_INVALID',
    `shards is ${shards}, but the namespace '${namespace}' was made with shards=${there}, which all its processes have to name and which never changes; for another number use another namespace`,
    { details: { path: 'shards' } },
  )
}
