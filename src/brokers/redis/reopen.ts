// The same keys from another thread, over connections of its own.
import type { Broker } from '../../broker/contract.ts'
import { type Way, wayWith } from '../../broker/reaching.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Settings } from './options.ts'

type Sent = Omit<Settings, 'clock' | 'logger'>

export function wayTo({ clock, logger: _, ...sent }: Settings): Way | string {
  if (clock !== systemClock) return 'its broker was given a clock'
  if (sent.target.mode === 'client')
    return 'its broker works through a client that was handed in; name the server instead, by a URL or options'
  return wayWith(import.meta.url, sent)
}

export async function reopen(sent: Sent, logger: Logger): Promise<Broker> {
  // Loaded here only, since the broker asks for the way above.
  const { redisBroker } = await import('./redis.ts')
  return redisBroker({ ...sent, clock: systemClock, logger })
}
