// From a URL to a broker. Each broker is loaded when a URL asks for it, and only then.
import type { Broker } from '../broker/contract.ts'
import { OffstageError } from '../errors/error.ts'
import type { Logger } from '../runtime/logger.ts'

export interface OpenOptions {
  readonly namespace?: string | undefined
  readonly logger?: Logger | undefined
}

/**
 * The broker that a URL names, not open yet.
 *
 * @throws BROKER_UNKNOWN
 */
export async function openBroker(url: string, options: OpenOptions = {}): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'memory') {
    const { memory } = await import('./memory/memory.ts')
    return memory({ namespace: options.namespace })
  }
  throw new OffstageError(
    'BROKER_UNKNOWN',
    `no broker has the scheme of '${(scheme ?? url).slice(0, 40)}'; the known ones are memory:`,
  )
}
