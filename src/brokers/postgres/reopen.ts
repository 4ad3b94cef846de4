// The same schema from another thread, over connections of its own.
import type { Broker } from '../../broker/contract.ts'
import { type Way, wayWith } from '../../broker/reaching.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Settings } from './options.ts'

type Sent = Omit<Settings, 'clock' | 'logger'>

/** Calls there are few and come one after another; nothing waits for work. */
const MAX_CONNECTIONS = 2

export function wayTo({ clock, logger: _, ...sent }: Settings): Way | string {
  if (clock !== systemClock) return 'its broker was given a clock'
  if (sent.target.mode === 'pool')
    return 'its broker works through a pool that was handed in; name the server instead, by a URL or options'
  const listening = { mode: 'off' }
  return wayWith(import.meta.url, { ...sent, listening, max: MAX_CONNECTIONS, migrate: false })
}

export async function reopen(sent: Sent, logger: Logger): Promise<Broker> {
  // Loaded here only, since the broker asks for the way above.
  const { postgresBroker } = await import('./postgres.ts')
  return postgresBroker({ ...sent, clock: systemClock, logger })
}
