// Puts the web service on a port.
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { closeServer, listen } from './listen.ts'
import { createService } from './service.ts'
import { bookStore } from './store.ts'

export interface RunningService {
  url: string
  port: number
  close(): Promise<void>
}

/** Listens on the port, or on any free one where it is taken. */
export async function serve(options: { port: number; allowed: readonly string[] }): Promise<RunningService> {
  const service = createService({ store: bookStore(), allowed: options.allowed })
  const server = createAdaptorServer({ fetch: service.fetch }) as Server
  const port = await listen(server, options.port)
  return { url: `http://127.0.0.1:${port}`, port, close: () => closeServer(server) }
}
