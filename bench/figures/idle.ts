// What a worker costs while there is nothing to do: CPU time of the whole process, its threads included, and what the
// server does for it: Redis its commands, those in scripts included, PostgreSQL its transactions.
import { setTimeout as pause } from 'node:timers/promises'
import { args, count, open, print } from './support.ts'

const system = await open()
const stop = await system.work(() => undefined, 100)
await pause(2_000)
const seconds = count('seconds')
const commandsBefore = await commands()
const before = process.cpuUsage()
await pause(seconds * 1_000)
const { user, system: kernel } = process.cpuUsage(before)
const sent = (await commands()) - commandsBefore
print({ percent: ((user + kernel) / 1e6 / seconds) * 100, commands: sent / seconds })
await stop()
await system.close()

/** How many the server has run; the client that asks sends some itself, the same each time. */
async function commands(): Promise<number> {
  if (args.broker?.startsWith('postgres:')) return (await import('./postgres-info.ts')).transactions()
  if (!args.broker?.startsWith('redis:')) return 0
  const { redisInfo } = await import('./redis-info.ts')
  return redisInfo('stats', 'total_commands_processed')
}
