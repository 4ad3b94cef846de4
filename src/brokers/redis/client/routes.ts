// From the settings to connections: which router there is, and how each of its connections is made and checked.
import { hasCode, OffstageError } from '../../../errors/error.ts'
import type { Access, Address, Settings } from '../options.ts'
import { ClusterRouter } from './cluster.ts'
import { type Connection, connect, type Steps } from './connection.ts'
import { connectGiven, connectGivenSubscriber } from './given.ts'
import type { MakeWire } from './ioredis.ts'
import type { LinkOptions } from './link.ts'
import { type Router, SingleRouter } from './router.ts'
import { SentinelRouter } from './sentinel.ts'
import { checkServer, modeOf, parseInfo } from './server.ts'

/** Asking a sentinel or a node for the way must not hold up asking the next one. */
const PROBE_MS = 1_000

export interface Hooks {
  /** A connection came or went, or an attempt failed, or slots have moved. */
  readonly changed: () => void
  /** The primary is there by the word of a sentinel. */
  readonly moved: (primary: Address) => void
}

/** @param make undefined where a ready client is given */
export function makeRouter(settings: Settings, make: MakeWire | undefined, hooks: Hooks): Router {
  const { clock, silenceMs, target } = settings
  const { changed } = hooks
  const options = { clock, silenceMs, holds: true, connect: commandConnect(settings, make), changed }
  switch (target.mode) {
    case 'single':
      return new SingleRouter({ ...options, locate: () => Promise.resolve(target.address) })
    case 'client':
      return new SingleRouter({ ...options, locate: () => Promise.resolve(GIVEN) })
    case 'sentinel':
      return makeSentinelRouter(settings, needed(make), hooks, options)
    case 'cluster':
      return new ClusterRouter({
        ...options,
        seeds: target.seeds,
        probe: (address, signal) => probe(settings, needed(make), address, signal, settings.access),
      })
  }
}

/** Where a ready client is connected is its own affair. */
const GIVEN: Address = { path: 'the given client' }

function makeSentinelRouter(
  settings: Settings,
  make: MakeWire,
  { moved }: Hooks,
  options: Omit<LinkOptions, 'locate'>,
): Router {
  const { clock, silenceMs, access, target } = settings
  if (target.mode !== 'sentinel') throw new TypeError('no sentinels are named')
  const { sentinels, primary, sentinelAccess } = target
  const own = sentinelAccess.password === undefined && access.password !== undefined
  return new SentinelRouter(options, {
    sentinels,
    primary,
    clock,
    silenceMs,
    moved,
    connect: async (address, signal) => {
      try {
        return await probe(settings, make, address, signal, sentinelAccess)
      } catch (error) {
        // Sentinels mostly have no password, or that of the server.
        if (!own || !hasCode(error, 'BROKER_AUTH')) throw error
        return probe(settings, make, address, signal, { ...access, db: 0 })
      }
    },
  })
}

/** Makes connections for commands to a server that can do the work. */
function commandConnect(settings: Settings, make: MakeWire | undefined): LinkOptions['connect'] {
  const { target } = settings
  if (target.mode !== 'client')
    return (address, signal, limitMs) =>
      ownConnect(settings, needed(make), address, steps(settings, signal, limitMs))
  return (_, signal, limitMs) =>
    checked(settings, connectGiven(target.client, steps(settings, signal, limitMs)))
}

/** Makes connections that listen. */
export function subscriberConnect(settings: Settings, make: MakeWire | undefined): LinkOptions['connect'] {
  const { target } = settings
  if (target.mode !== 'client') return commandConnect(settings, make)
  return (_, signal, limitMs) =>
    checked(settings, connectGivenSubscriber(target.client, steps(settings, signal, limitMs)))
}

function ownConnect(
  settings: Settings,
  make: MakeWire,
  address: Address,
  limits: Steps,
): Promise<Connection> {
  const { access, baseDir } = settings
  return checked(settings, connect(address, { ...limits, make, access, baseDir, info: true }))
}

function probe(
  settings: Settings,
  make: MakeWire,
  address: Address,
  signal: AbortSignal,
  access: Access,
): Promise<Connection> {
  const { clock, baseDir, connectTimeoutMs } = settings
  const timeoutMs = Math.min(PROBE_MS, connectTimeoutMs)
  return connect(address, { make, access, clock, timeoutMs, signal, baseDir, info: false })
}

function steps(
  { clock, connectTimeoutMs }: Settings,
  signal: AbortSignal,
  limitMs = Number.POSITIVE_INFINITY,
): Steps {
  // A little less than opening may take, so that what was missed is said in its own words.
  return { clock, timeoutMs: Math.min(Math.floor(0.9 * connectTimeoutMs), limitMs), signal }
}

async function checked(settings: Settings, connecting: Promise<Connection>): Promise<Connection> {
  const connection = await connecting
  try {
    if (connection.info !== undefined)
      checkServer(
        parseInfo(connection.info),
        modeOf(settings.target),
        connection.address,
        settings.waitaof !== undefined,
      )
    return connection
  } catch (error) {
    if (error instanceof OffstageError) connection.destroy(error)
    throw error
  }
}

function needed(make: MakeWire | undefined): MakeWire {
  if (make === undefined) throw new TypeError('ioredis has not been loaded')
  return make
}
