// Ports for private servers and proxies of tests.
import { createServer } from 'node:net'

/** Below the ports that the system hands out by itself, so that nobody takes one while its server is down. */
const FIRST_PORT = 20_000
const PORTS = 12_000
/** A node of a Redis cluster listens there too. */
const BUS_OFFSET = 10_000

/** A loopback port that nobody listens on, and neither on the one that a cluster's node would take with it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS)
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
