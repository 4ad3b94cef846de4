// What a process can bear: how late its event loop is, and how much of its memory is taken.
import { totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

export interface Load {
  /** How late the loop turns: nine of ten looks since the last reading found it no later. */
  readonly delayMs: number
  /** The share of the memory that is taken, 0 to 1: of the heap or of the process, whichever is closer to its limit. */
  readonly memory: number
}

export interface Gauge {
  /** Since the last reading. */
  read(): Load
  stop(): void
}

const LOOK_MS = 20

/** Of this process. Keeps nothing alive. */
export function systemGauge(): Gauge {
  const delay = monitorEventLoopDelay({ resolution: LOOK_MS })
  delay.enable()
  return {
    read() {
      // The histogram has the time between two looks. One long pause (of the garbage collector) is no load.
      const delayMs = delay.count === 0 ? 0 : Math.max(0, delay.percentile(90) / 1e6 - LOOK_MS)
      delay.reset()
      return { delayMs, memory: memoryShare() }
    },
    stop: () => void delay.disable(),
  }
}

function memoryShare(): number {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics()
  // What a container allows; where it allows anything, some kernels name a number beyond all memory.
  const allowed = process.constrainedMemory() ?? 0
  const limit = allowed > 0 ? Math.min(allowed, totalmem()) : totalmem()
  return Math.max(heap / heapLimit, process.memoryUsage.rss() / limit)
}
