// Asks a server what it is: INFO, two settings, and how long a PING takes. What the user may not ask is left out.

import { nameOf, type Settings } from '../options.ts'
import type { Args, Place } from './calls.ts'
import { unavailable } from './errors.ts'
import { factsOf, modeOf, parseInfo, type ServerFacts } from './server.ts'
import type { Waiters } from './waiters.ts'

/** @throws BROKER_UNAVAILABLE where it does not answer within `timeoutMs` */
export async function askFacts(
  send: (name: string, args: Args) => Promise<unknown>,
  { connection }: Place,
  { clock, target }: Settings,
  waiters: Waiters,
  timeoutMs: number,
): Promise<ServerFacts> {
  const optional = async (name: string, args: Args): Promise<unknown> => {
    try {
      return await send(name, args)
    } catch (error) {
      const coded = connection.coded(error, name.toUpperCase())
      // Forbidden or unknown: it is then not told.
      if (coded.code === 'BROKER_FORBIDDEN' || coded.code === 'STORE_FAILED') return undefined
      throw coded
    }
  }
  const startedAt = clock.monotonic()
  const asked = Promise.all([
    optional('ping', []).then(() => clock.monotonic() - startedAt),
    optional('info', []),
    optional('config', ['get', 'appendfsync']),
    optional('config', ['get', 'save']),
    optional('config', ['get', 'aof-load-truncated']),
  ])
  const [pingMs, info, appendfsync, save, truncated] = await waiters.limit(
    asked,
    timeoutMs,
    unavailable(`Redis at ${nameOf(connection.address)} has not answered within ${Math.round(timeoutMs)} ms`),
  )
  const configured = {
    appendfsync: settingOf(appendfsync),
    save: settingOf(save),
    aofLoadTruncated: settingOf(truncated),
  }
  const read = info === undefined ? undefined : parseInfo(String(info))
  return factsOf(read, configured, modeOf(target), connection.address, Math.round(pingMs * 100) / 100)
}

/** The value in a reply to CONFIG GET of one name; undefined where it answered none. */
function settingOf(reply: unknown): string | undefined {
  return Array.isArray(reply) && reply.length === 2 ? String(reply[1]) : undefined
}
