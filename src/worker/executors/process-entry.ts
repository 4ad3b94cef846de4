// The program of each child process of a pool. It ends with the process that started it, and leaves signals to it: those
// of a terminal reach both, and what runs here may go on for the grace.
import { Worker } from 'node:worker_threads'
import { Guest, type Line } from './guest.ts'
import type { ToGuest } from './protocol.ts'
import { pack } from './thrown.ts'

const guest = new Guest()
const line: Line = { send: (message) => void process.send?.(message, undefined, undefined, ignore) }

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ignore)
process.on('disconnect', () => process.exit())
// A handler that computes hears of nothing, so another thread sees to it that it does not go on for nobody.
new Worker(
  `const { ppid } = process
  setInterval(() => process.ppid === ppid || process.kill(process.pid, 'SIGKILL'), 500)`,
  { eval: true, execArgv: [], stdout: false },
).unref()
process.on('uncaughtExceptionMonitor', (error) => line.send({ kind: 'dying', thrown: pack(error) }))
process.on('message', (message: ToGuest) => {
  if (message.kind === 'abort') guest.abort(message)
  else if (message.kind === 'close') void guest.close().then(() => process.exit())
  else void guest.serve(message, line)
})

/** The other side is gone, and this one ends with it. */
function ignore(): void {}
