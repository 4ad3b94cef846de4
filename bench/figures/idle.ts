// What a worker costs while there is nothing to do: CPU time of the whole process, its threads included.
import { setTimeout as pause } from 'node:timers/promises'
import { args, mail, makeApp, print } from './support.ts'

const { folder = '', seconds = '60' } = args()
const app = makeApp(folder)
app.task({ name: 'mail', input: mail, run: () => undefined })
const worker = app.worker({ concurrency: 100 })
await worker.start()
await pause(2_000)
const before = process.cpuUsage()
await pause(Number(seconds) * 1_000)
const { user, system } = process.cpuUsage(before)
print({ percent: ((user + system) / 1e6 / Number(seconds)) * 100 })
await worker.stop()
await app.close()
