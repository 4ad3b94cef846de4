// Private Redis servers for tests: on a free loopback port, in a folder of their own, without persistence unless a test
// asks for it. They end with the test that started them, and when its process dies.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from './ports.ts'

const run = promisify(execFile)

const START_MS = 15_000
const STOP_MS = 2_000
const LOOK_MS = 20

export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly pid: number
  readonly dir: string
  /** Runs redis-cli against it and answers what it printed. */
  cli(...args: readonly string[]): Promise<string>
  /** SIGSTOP: connections stay, nothing is answered. */
  pause(): void
  resume(): void
  /** SIGKILL, as in a crash. The folder stays. */
  kill(): Promise<void>
  /** SIGTERM, and removes the folder. Repeatable. */
  stop(): Promise<void>
  /**
   * On the same port and in the same folder, after `kill` or in place of it. An append-only file is checked first, as
   * docs/brokers/redis.md says.
   */
  restart(): Promise<void>
}

export interface RedisOptions {
  /** Lines of the configuration. */
  readonly config?: { readonly [name: string]: string | number }
  readonly port?: number
  /** Further arguments, after the name of the configuration file. */
  readonly args?: readonly string[]
}

const DEFAULTS = { bind: '127.0.0.1', 'protected-mode': 'no', save: '', appendonly: 'no' }

/** Resolves when the server answers. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return start({ ...options, config: { ...DEFAULTS, ...options.config } })
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[]
  readonly url: string
  stop(): Promise<void>
}

/** Primaries that share all slots evenly. Resolves when each of them says that the cluster is whole. */
export async function startCluster({ nodes: count = 3 } = {}): Promise<RedisCluster> {
  const config = { 'cluster-enabled': 'yes', 'cluster-node-timeout': 1_000, 'cluster-config-file': 'nodes' }
  const nodes = await Promise.all(Array.from({ length: count }, () => startRedis({ config })))
  const stop = stopAll(nodes)
  try {
    const [first, ...others] = nodes as [RedisServer, ...RedisServer[]]
    const share = 16_384 / count
    await Promise.all(
      nodes.map(async (node, i) => {
        const from = Math.round(i * share)
        const slots = Array.from({ length: Math.round((i + 1) * share) - from }, (_, n) => String(from + n))
        await node.cli('CLUSTER', 'ADDSLOTS', ...slots)
        await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
      }),
    )
    for (const { port } of others) await first.cli('CLUSTER', 'MEET', '127.0.0.1', String(port))
    for (const node of nodes)
      await until(`the cluster is whole for the node on port ${node.port}`, async () => {
        const info = await node.cli('CLUSTER', 'INFO')
        const links = (await node.cli('CLUSTER', 'NODES')).match(/ connected /g)?.length
        return info.includes('cluster_state:ok') && links === count
      })
    return { nodes, url: `redis+cluster://${addresses(nodes)}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

export interface RedisSentinel {
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  /** Of the primary, as the sentinels know it. */
  readonly name: string
  readonly url: string
  stop(): Promise<void>
}

/** Resolves when the replica is online and each sentinel knows it and the other sentinels. */
export async function startSentinel(): Promise<RedisSentinel> {
  const name = 'jobs'
  const started: RedisServer[] = []
  const begin = async (server: Promise<RedisServer>): Promise<RedisServer> => {
    started.push(await server)
    return server
  }
  const stop = (): Promise<void> => stopAll(started)()
  try {
    // A replica that comes in is served at once, without a wait for others.
    const quick = { 'repl-diskless-sync-delay': 0 }
    const primary = await begin(startRedis({ config: quick }))
    const replica = await begin(startRedis({ config: { ...quick, replicaof: `127.0.0.1 ${primary.port}` } }))
    await until('the replica is online', async () =>
      (await primary.cli('INFO', 'replication')).includes('state=online'),
    )
    const monitor = `monitor ${name} 127.0.0.1 ${primary.port} 2`
    const limits = [`down-after-milliseconds ${name} 1000`, `failover-timeout ${name} 3000`]
    const sentinels = await Promise.all(
      [1, 2, 3].map(() =>
        begin(start({ config: { bind: '127.0.0.1' }, sentinel: [monitor, ...limits], args: ['--sentinel'] })),
      ),
    )
    for (const sentinel of sentinels)
      await until(`the sentinel on port ${sentinel.port} knows all`, async () => {
        const fields = (await sentinel.cli('SENTINEL', 'MASTER', name)).split('\n')
        const field = (key: string): string | undefined => fields[fields.indexOf(key) + 1]
        return field('num-slaves') === '1' && field('num-other-sentinels') === '2'
      })
    return {
      primary,
      replica,
      sentinels,
      name,
      url: `redis+sentinel://${addresses(sentinels)}/${name}`,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface StartOptions extends RedisOptions {
  readonly sentinel?: readonly string[]
}

async function start({ config = {}, port, args = [], sentinel = [] }: StartOptions): Promise<RedisServer> {
  for (let tries = 1; ; tries += 1) {
    const dir = mkdtempSync(join(tmpdir(), 'offstage-redis-'))
    const chosen = port ?? (await freePort())
    const lines = Object.entries({ port: chosen, dir, logfile: join(dir, 'log'), ...config })
    const text = [
      ...lines.map(([key, value]) => `${key} ${value === '' ? '""' : value}`),
      ...sentinel.map((line) => `sentinel ${line}`),
    ]
    writeFileSync(join(dir, 'redis.conf'), `${text.join('\n')}\n`)
    const server = new Server(chosen, dir, args)
    try {
      await server.begin()
      return server
    } catch (error) {
      await server.stop()
      // Somebody else may have taken the port between the look and the start.
      if (port !== undefined || tries === 3 || !String(error).includes('in use')) throw error
    }
  }
}

class Server implements RedisServer {
  readonly port: number
  readonly dir: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined
  #guard: ChildProcess | undefined

  constructor(port: number, dir: string, args: readonly string[]) {
    this.port = port
    this.dir = dir
    this.#args = args
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error(`the Redis server on port ${this.port} does not run`)
    return pid
  }

  async begin(): Promise<void> {
    const started = spawn('redis-server', [join(this.dir, 'redis.conf'), ...this.#args], { stdio: 'ignore' })
    const failed = once(started, 'error').then(([error]) => error as Error)
    const { pid } = started
    if (pid === undefined) throw new Error('redis-server could not be started', { cause: await failed })
    this.#process = started
    this.#guard = guard(pid, this.dir)
    await until(
      `the Redis server on port ${this.port} answers`,
      async () => {
        if (hasEnded(started)) throw new Error(`redis-server ended by itself:\n${this.#log()}`)
        return answers(this.port)
      },
      START_MS,
    )
  }

  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['-h', '127.0.0.1', '-p', String(this.port), ...args])
    return stdout.replaceAll('\r', '').trimEnd()
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    rmSync(this.dir, { recursive: true, force: true })
  }

  async restart(): Promise<void> {
    await this.#end('SIGKILL')
    await this.#checkFile()
    await this.begin()
  }

  async #checkFile(): Promise<void> {
    const files = [
      join(this.dir, 'appendonlydir', 'appendonly.aof.manifest'),
      join(this.dir, 'appendonly.aof'),
    ]
    const found = files.find((path) => existsSync(path))
    if (found === undefined) return
    const checked = run('redis-check-aof', ['--fix', found])
    // It asks before it cuts off what is broken.
    checked.child.stdin?.end('y\n')
    await checked
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const ending = this.#process
    if (ending === undefined) return
    if (!hasEnded(ending)) {
      const ended = once(ending, 'exit')
      ending.kill(signal)
      // A stopped process hears SIGTERM when it goes on, and a primary waits for its replicas.
      ending.kill('SIGCONT')
      const late = setTimeout(() => ending.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(late)
    }
    this.#guard?.kill('SIGKILL')
    this.#process = undefined
    this.#guard = undefined
  }

  #log(): string {
    const file = join(this.dir, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-12).join('\n') : 'it wrote no log'
  }
}

/** Ends the server and its folder when this process is gone, however it went: the pipe between them closes then. */
function guard(pid: number, dir: string): ChildProcess {
  const script = 'cat >/dev/null; kill -9 "$0" 2>/dev/null; rm -rf "$1"'
  const started = spawn('sh', ['-c', script, String(pid), dir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  started.unref()
  // A pipe would keep the process alive, which the types of a general stream do not tell.
  const { stdin } = started as { readonly stdin: { unref?(): void } | null }
  stdin?.unref?.()
  return started
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Whether there is a server that has read its data. One that wants a password is there too. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const say = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => say(false))
    socket.once('error', () => say(false))
    socket.once('close', () => say(false))
    socket.once('data', (data) => say(/^(\+PONG|-NOAUTH|-NOPERM)/.test(data.toString())))
    socket.write('PING\r\n')
  })
}

async function until(what: string, seen: () => Promise<boolean>, limitMs = START_MS): Promise<void> {
  const endsAt = performance.now() + limitMs
  while (!(await seen())) {
    if (performance.now() > endsAt) throw new Error(`not within ${limitMs} ms: ${what}`)
    await pause(LOOK_MS)
  }
}

function stopAll(servers: readonly RedisServer[]): () => Promise<void> {
  return async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

function addresses(servers: readonly RedisServer[]): string {
  return servers.map(({ port }) => `127.0.0.1:${port}`).join(',')
}
