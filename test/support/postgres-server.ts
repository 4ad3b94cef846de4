// Private PostgreSQL servers and poolers for tests: on a free loopback port, in a folder of their own, without fsync
// unless a test asks for it. They end with the test that started them, and when its process dies.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, type QueryResultRow } from 'pg'
import { freePort } from './ports.ts'

interface Installed {
  makeFolder(): string
  makeTemplate(): string
  fillFolder(folder: string, template: string): void
  launchPostgres(folder: string, port: number, settings: PostgresSettings): ChildProcess
  launchPgbouncer(folder: string, config: string): ChildProcess
  postgresRefuses(url: string): Promise<string | undefined>
  guard(folder: string, pid?: number): () => void
  childrenOf(pid: number): readonly number[]
  isAlive(pid: number): boolean
}

const module = new URL('../../scripts/postgres.mjs', import.meta.url).href
const installed = (await import(module)) as Installed

const START_MS = 15_000
const STOP_MS = 5_000
const LOOK_MS = 20

/** Lines of the configuration. */
export type PostgresSettings = { readonly [name: string]: string | number }

export interface PostgresServer {
  readonly port: number
  /** As the superuser, who needs no password, in the database that is there. */
  readonly url: string
  /** Of the process that started all others. */
  readonly pid: number
  readonly dir: string
  /** Runs statements on a connection of their own, and answers the rows of the last one. */
  sql<R extends QueryResultRow = QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** SIGSTOP to all its processes: connections stay, nothing is answered. */
  pause(): void
  resume(): void
  /** SIGKILL to all its processes, as in a crash. The data stays. */
  kill(): Promise<void>
  /** As `pg_ctl stop` does it: `fast` ends transactions and connections, `immediate` everything. The data stays. */
  shutdown(mode: 'fast' | 'immediate'): Promise<void>
  /** On the same port and with the same data, after `kill` or `shutdown`. Resolves when it takes work. */
  start(): Promise<void>
  /** As `kill` and `start`. */
  restart(): Promise<void>
  /** Ends it, and removes the folder. Repeatable. */
  stop(): Promise<void>
}

export interface PostgresOptions {
  readonly settings?: PostgresSettings
  readonly port?: number
}

let template: string | undefined

/** Resolves when the server takes work. */
export async function startPostgres({ settings = {}, port }: PostgresOptions = {}): Promise<PostgresServer> {
  for (let tries = 1; ; tries += 1) {
    const dir = installed.makeFolder()
    installed.fillFolder(dir, emptyCluster())
    const server = new Server(dir, port ?? (await freePort()), settings)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      // Somebody else may have taken the port between the look and the start.
      if (port !== undefined || tries === 3 || !String(error).includes('in use')) throw error
    }
  }
}

/** Made once a run of the tests, or once a process where nothing provided it. */
function emptyCluster(): string {
  const provided = process.env.OFFSTAGE_TEST_POSTGRES_TEMPLATE
  if (provided !== undefined && existsSync(provided)) return provided
  if (template === undefined) {
    template = installed.makeTemplate()
    installed.guard(template)
  }
  return template
}

class Server implements PostgresServer {
  readonly port: number
  readonly dir: string
  readonly #settings: PostgresSettings
  #running: Running | undefined

  constructor(dir: string, port: number, settings: PostgresSettings) {
    this.port = port
    this.dir = dir
    this.#settings = settings
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`
  }

  get pid(): number {
    return this.#live.pid
  }

  async start(): Promise<void> {
    this.#running = new Running(this.dir, installed.launchPostgres(this.dir, this.port, this.#settings))
    await this.#running.until('the PostgreSQL server takes work', async () => {
      return (await installed.postgresRefuses(this.url)) === undefined
    })
  }

  async sql<R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]> {
    const client = new Client({ connectionString: this.url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      // Several statements answer a list, which the types do not tell.
      const answer: unknown = await client.query(text, values === undefined ? undefined : [...values])
      const last = (Array.isArray(answer) ? answer.at(-1) : answer) as { readonly rows: R[] }
      return last.rows
    } finally {
      await client.end()
    }
  }

  pause(): void {
    const { pid } = this.#live
    // Once this one is stopped, no new ones come.
    process.kill(pid, 'SIGSTOP')
    for (const child of installed.childrenOf(pid)) signal(child, 'SIGSTOP')
  }

  resume(): void {
    const { pid } = this.#live
    for (const child of installed.childrenOf(pid)) signal(child, 'SIGCONT')
    process.kill(pid, 'SIGCONT')
  }

  async kill(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    const children = running.ended ? [] : this.#stopped()
    await running.end('SIGKILL')
    for (const child of children) signal(child, 'SIGKILL')
    // What they share lives as long as one of them does.
    await until(
      'all processes of the server are gone',
      () => !children.some((child) => installed.isAlive(child)),
    )
    this.#running = undefined
  }

  async shutdown(mode: 'fast' | 'immediate'): Promise<void> {
    await this.#running?.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    this.#running = undefined
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }

  get #live(): Running {
    if (this.#running === undefined)
      throw new Error(`the PostgreSQL server on port ${this.port} does not run`)
    return this.#running
  }

  #stopped(): readonly number[] {
    this.pause()
    return installed.childrenOf(this.pid)
  }
}

export interface Pgbouncer {
  readonly port: number
  /** To the server behind it. */
  readonly url: string
  /** Without another one, clients that come meanwhile are refused. */
  kill(): Promise<void>
  start(): Promise<void>
  /** Repeatable. */
  stop(): Promise<void>
}

export interface PgbouncerOptions {
  readonly poolMode: 'session' | 'transaction' | 'statement'
  /** Further lines of its section of settings. */
  readonly settings?: PostgresSettings
}

/** A pooler before a server, configured as plainly as its manual starts. Resolves when work gets through. */
export async function startPgbouncer(
  server: Pick<PostgresServer, 'port'>,
  { poolMode, settings = {} }: PgbouncerOptions,
): Promise<Pgbouncer> {
  const dir = installed.makeFolder()
  const port = await freePort()
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: poolMode,
    max_client_conn: 500,
    // A server that was away is tried again at once.
    server_login_retry: 1,
    ...settings,
  }
  const config = `[databases]
* = host=127.0.0.1 port=${server.port} user=postgres
[pgbouncer]
${Object.entries(lines)
  .map(([name, value]) => `${name} = ${value}\n`)
  .join('')}`
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let running: Running | undefined
  const kill = async (): Promise<void> => {
    await running?.end('SIGKILL')
    running = undefined
  }
  const started: Pgbouncer = {
    port,
    url,
    kill,
    async start() {
      running = new Running(dir, installed.launchPgbouncer(dir, config))
      await running.until('work gets through the pooler', async () => {
        return (await installed.postgresRefuses(url)) === undefined
      })
    },
    async stop() {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
  try {
    await started.start()
    return started
  } catch (error) {
    await started.stop()
    throw error
  }
}

/** A process that ends with this one. */
class Running {
  readonly pid: number
  readonly #dir: string
  readonly #process: ChildProcess
  readonly #unguard: () => void

  constructor(dir: string, process: ChildProcess) {
    this.#dir = dir
    this.#process = process
    process.on('error', () => undefined)
    if (process.pid === undefined) throw new Error(`${process.spawnfile} could not be started`)
    this.pid = process.pid
    this.#unguard = installed.guard(dir, process.pid)
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  until(what: string, seen: () => Promise<boolean>): Promise<void> {
    return until(what, async () => {
      if (this.ended) throw new Error(`${this.#process.spawnfile} ended by itself:\n${this.#log()}`)
      return seen()
    })
  }

  async end(how: NodeJS.Signals): Promise<void> {
    if (!this.ended) {
      const ended = once(this.#process, 'exit')
      this.#process.kill(how)
      const late = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(late)
    }
    this.#unguard()
  }

  #log(): string {
    return readFileSync(join(this.#dir, 'log'), 'utf8').split('\n').slice(-12).join('\n')
  }
}

/** To a process that may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (installed.isAlive(pid)) process.kill(pid, name)
}

async function until(what: string, seen: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + START_MS
  while (!(await seen())) {
    if (performance.now() > endsAt) throw new Error(`not within ${START_MS} ms: ${what}`)
    await pause(LOOK_MS)
  }
}
