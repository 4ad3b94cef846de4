// Answers probes over HTTP, on a port or a unix socket: /live and /ready by their status, 200 or 503, and / by 200. The
// document is the same for all of them.
import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { codeOf } from '../../errors/error.ts'
import { UsageError } from '../exit.ts'
import { plain } from '../text.ts'
import type { ProbeAddress } from './address.ts'
import type { Health } from './health.ts'

export interface Probe {
  /** Where it listens, for people: `http://127.0.0.1:8080`, `unix:/run/worker.sock`. */
  readonly location: string
  /** Takes the socket away too. */
  close(): Promise<void>
}

/** @throws UsageError where it cannot listen there */
export async function openProbe(address: ProbeAddress, health: () => Health): Promise<Probe> {
  const server = createServer((request, response) => answer(request, response, health))
  // Whoever asks says it at once.
  server.headersTimeout = 5_000
  server.requestTimeout = 5_000
  server.keepAliveTimeout = 5_000
  await (address.kind === 'port' ? listenOnPort(server, address) : listenOnSocket(server, address.path))
  const bound = server.address()
  const location =
    typeof bound === 'object' && bound !== null
      ? `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
      : `unix:${String(bound)}`
  return {
    location,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(request: IncomingMessage, response: ServerResponse, health: () => Health): void {
  const [status, body] = answerTo(request, health)
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}

function answerTo(
  { url = '', method }: IncomingMessage,
  health: () => Health,
): [status: number, body: unknown] {
  const [path] = url.split('?')
  if (path !== '/' && path !== '/live' && path !== '/ready')
    return [404, { error: 'ask for /live, /ready or /' }]
  if (method !== 'GET' && method !== 'HEAD') return [405, { error: 'ask with GET' }]
  const now = health()
  const well = path === '/' || (path === '/live' ? now.live : now.ready)
  return [well ? 200 : 503, now]
}

async function listenOnPort(
  server: Server,
  { host, port }: Extract<ProbeAddress, { kind: 'port' }>,
): Promise<void> {
  try {
    await listen(server, () => server.listen({ host, port }))
  } catch (error) {
    const why = codeOf(error) === 'EADDRINUSE' ? 'another process listens there' : messageOf(error)
    throw new UsageError(`probes cannot be answered on ${plain(host)}:${port}: ${why}`, { cause: error })
  }
}

/** A socket that a killed process left behind is replaced; one on which somebody answers is not, nor any other file. */
async function listenOnSocket(server: Server, path: string): Promise<void> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new UsageError(`probes cannot be answered on unix:${plain(path)}: ${why}`, { cause })
  }
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isSocket()) refuse('the file is there and is no socket')
  if (stat !== undefined && (await answersAt(path))) refuse('another process listens there')
  try {
    if (stat !== undefined) unlinkSync(path)
    await listen(server, () => {
      // The socket is made before listen() returns, so that nobody else can ever connect to it.
      const before = process.umask(0o177)
      try {
        server.listen({ path })
      } finally {
        process.umask(before)
      }
    })
  } catch (error) {
    refuse(messageOf(error), error)
  }
}

function listen(server: Server, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      // A connection that could not be taken (no more files may be open) is one that asks again.
      server.on('error', () => undefined)
      resolve()
    })
    begin()
  })
}

function answersAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    const say = (answers: boolean): void => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => say(true))
    // Only a refusal says that nobody is there: without the right to ask, somebody may be.
    socket.once('error', (error) => say(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'))
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? plain(error.message) : 'an unknown error'
}
