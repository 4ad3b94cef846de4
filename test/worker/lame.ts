// A way to a broker over which nothing is ever renewed, as over a connection that is lost for good.
import type { Broker } from '../../src/broker/contract.ts'
import { MemoryBroker } from '../../src/brokers/memory/memory.ts'

export async function reopen(): Promise<Broker> {
  const broker = new MemoryBroker()
  broker.extend = () => Promise.reject(new Error('the connection is lost'))
  return broker
}
