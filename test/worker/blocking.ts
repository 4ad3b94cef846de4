// A process whose worker is blocked by its first job for as long as it is told, and that ends with its input.

import type { AppWorkerOptions } from '../../src/index.ts'
import { offstage } from '../../src/index.ts'

export interface Blocking {
  readonly broker: string
  readonly blockMs: number
  readonly options: AppWorkerOptions
}

const { broker, blockMs, options } = JSON.parse(process.argv[2] ?? '') as Blocking
const app = offstage({ broker })
let blocked = false
app.task({
  name: 'hard',
  run() {
    if (blocked) return 'in the process that was blocked'
    blocked = true
    const end = performance.now() + blockMs
    while (performance.now() < end) Math.sqrt(end)
    return 'by the block'
  },
})
await app.worker(options).start()
process.stdin.on('end', () => void app.close()).resume()
// The thread shows the worker by the time that it keeps the leases.
console.log('up')
