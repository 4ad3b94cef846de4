// Opens a server on the port one would like, or on any free one where that is taken.
import type { Server } from 'node:http'

/** Listens on this machine only, and answers the port it got. Port 0 asks for any free one. */
export async function listen(server: Server, port: number): Promise<number> {
  try {
    return await listenOn(server, port)
  } catch (error) {
    if (!isPortTaken(error)) throw error
    return await listenOn(server, 0)
  }
}

/** Stops accepting connections and ends those that are open, answered or not. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)))
    server.closeAllConnections()
  })
}

function listenOn(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('the server has no port'))
      else resolve(address.port)
    })
  })
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}
