// The same thread from another thread: requests go over a port of their own, past the event loop of whoever started it.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { Broker } from '../../broker/contract.ts'
import type { Way } from '../../broker/reaching.ts'
import type { Logger } from '../../runtime/logger.ts'
import type { Channel } from './channel.ts'
import { portLine } from './line.ts'
import type { Settings } from './options.ts'

interface Sent {
  readonly settings: Omit<Settings, 'clock'>
  readonly port: MessagePort
}

export function wayTo({ clock, ...settings }: Settings, channel: Channel): Way | string {
  if (clock !== undefined) return 'its broker was given a clock'
  const { port1, port2 } = new MessageChannel()
  channel.attach(port1)
  const data: Sent = { settings, port: port2 }
  return { module: import.meta.url, data, transfer: [port2] }
}

export async function reopen({ settings, port }: Sent, _: Logger, gone: () => void): Promise<Broker> {
  // Loaded here only, since the broker asks for the way above.
  const { SqliteBroker } = await import('./sqlite.ts')
  port.on('close', gone)
  return new SqliteBroker({ ...settings, clock: undefined }, portLine(port))
}
