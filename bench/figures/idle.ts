// What a worker costs while there is nothing to do: CPU time of the whole process, its threads included.
import { setTimeout as pause } from 'node:timers/promises'
import { count, open, print } from './support.ts'

const system = await open()
const stop = await system.work(() => undefined, 100)
await pause(2_000)
const before = process.cpuUsage()
const seconds = count('seconds')
await pause(seconds * 1_000)
const { user, system: kernel } = process.cpuUsage(before)
print({ percent: ((user + kernel) / 1e6 / seconds) * 100 })
await stop()
await system.close()
