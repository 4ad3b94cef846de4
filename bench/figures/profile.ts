// Where the time of a measured part goes: this process's main thread by module and by function, and the server by command
// or function, with the share of a core that each of them took. The one nearer to a whole core is the limit; where neither
// is near, they wait for one another, or for a core that others use.
import { appendFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'
import { basename } from 'node:path'
import { args } from './support.ts'

type Node = Profiler.ProfileNode

/** Newer than the oldest Node that the project is typed for. */
const mainThread: NodeJS.Process & { threadCpuUsage?(before?: NodeJS.CpuUsage): NodeJS.CpuUsage } = process

/** How many seconds `run` takes; where they went is added to the file. */
export async function profiled(file: string, run: () => Promise<unknown>): Promise<number> {
  const server = await watchServer(args.broker ?? '')
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 250 })
  await session.post('Profiler.start')
  const cpu = process.cpuUsage()
  const mainCpu = mainThread.threadCpuUsage?.()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1_000
  const main = mainThread.threadCpuUsage?.(mainCpu)
  const all = process.cpuUsage(cpu)
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const share = ({ user, system }: NodeJS.CpuUsage): string => percent((user + system) / 1e6 / seconds)
  const what = ['mode', 'jobs', 'call', 'concurrency', 'scale'].flatMap((name) =>
    args[name] ? `${name} ${args[name]}` : [],
  )
  const said = [
    `${basename(process.argv[1] ?? '', '.ts')}, ${args.system}: ${seconds.toFixed(2)} s (${what.join(', ')})`,
    `Node: main thread ${main === undefined ? '?' : share(main)}, all threads ${share(all)} of a core`,
    ...((await server?.(seconds)) ?? []),
    ...table('self time by module', byKey(profile, moduleOf), 12),
    ...table('self time by function', byKey(profile, functionOf), 25),
  ]
  appendFileSync(file, `${said.join('\n')}\n\n`)
  return seconds
}

/** Shares of all samples by a name of what ran. */
function byKey(
  { nodes, samples = [], timeDeltas = [] }: Profiler.Profile,
  key: (node: Node) => string,
): Map<string, number> {
  const names = new Map(nodes.map((node) => [node.id, key(node)]))
  const sums = new Map<string, number>()
  let total = 0
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    if (name.includes('node:inspector')) continue // that is the profiler
    const micros = timeDeltas[at] ?? 0
    sums.set(name, (sums.get(name) ?? 0) + micros)
    total += micros
  }
  return new Map([...sums].map(([name, micros]) => [name, micros / total]))
}

function table(title: string, shares: ReadonlyMap<string, number>, most: number): string[] {
  const lines = [...shares].sort(([, a], [, b]) => b - a).slice(0, most)
  return [title, ...lines.map(([name, share]) => `  ${percent(share).padStart(6)}  ${name}`)]
}

/** `offstage dist/worker/slots.js`, `ioredis`, `node:internal/streams`, `(garbage collector)`. */
function moduleOf({ callFrame: { url, functionName } }: Node): string {
  if (url === '') return functionName.startsWith('(') ? functionName : '(native)'
  const installed = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  return installed ?? url.replace(/^.*\/(dist|bench)\//, '$1/').replace(/^(node:[^/]+\/[^/]+).*/, '$1')
}

function functionOf(node: Node): string {
  const { functionName, lineNumber, url } = node.callFrame
  const module = moduleOf(node)
  const name = functionName || '(anonymous)'
  if (url === '') return name
  const file = module.endsWith(basename(url)) ? module : `${module} ${basename(url)}`
  return `${name}  ${file}:${lineNumber + 1}`
}

type Watched = (seconds: number) => Promise<string[]>

async function watchServer(broker: string): Promise<Watched | undefined> {
  if (broker.startsWith('redis:')) return watchRedis(broker)
  if (broker.startsWith('postgres:')) return (await import('./profile-postgres.ts')).watchPostgres(broker)
  return undefined
}

/** Forgets the server's statistics; the answer tells what they are after so many seconds. */
async function watchRedis(broker: string): Promise<Watched> {
  const { Redis } = await import('ioredis')
  const redis = new Redis(broker)
  await redis.config('RESETSTAT')
  const before = mainThreadSeconds(await redis.info('cpu'))
  return async (seconds) => {
    const busy = (mainThreadSeconds(await redis.info('cpu')) - before) / seconds
    const stats = await redis.info('commandstats')
    const latencies = await redis.info('latencystats')
    await redis.quit()
    const commands = [...stats.matchAll(/cmdstat_(\S+):calls=(\d+),usec=(\d+),usec_per_call=([\d.]+)/g)]
      .map(([, name = '', calls, micros, each]) => ({ name, calls, micros: Number(micros), each }))
      .sort((a, b) => b.micros - a.micros)
      .slice(0, 12)
    return [
      `Redis: main thread ${percent(busy)} of a core`,
      "commands: share of the time, calls, µs each, percentiles in µs (a script's time holds that of its commands)",
      ...commands.map(({ name, calls, micros, each }) => {
        const spread = new RegExp(`latency_percentiles_usec_${name.replace('|', '\\|')}:(\\S+)`).exec(
          latencies,
        )?.[1]
        return `  ${percent(micros / 1e6 / seconds).padStart(6)}  ${name}  ${calls} × ${each}  ${spread ?? ''}`
      }),
    ]
  }
}

function mainThreadSeconds(info: string): number {
  const read = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1] ?? Number.NaN)
  return read('used_cpu_user_main_thread') + read('used_cpu_sys_main_thread')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`
}
