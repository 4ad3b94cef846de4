// Asks the web service a question every few milliseconds while the work goes on, to tell how long its users wait.

export interface ProbeReport {
  requests: number
  /** Requests that failed, or that were answered with a status of 500 or more. */
  failed: number
  p50Ms: number
  p99Ms: number
}

export interface Probe {
  /** Sends no more requests, waits for those under way, and reports. */
  stop(): Promise<ProbeReport>
}

/**
 * Starts asking for `urls` in turn. Waiting counts from the moment a request was due, not from the moment it was sent:
 * else a process too busy to send it would look quick.
 */
export function startProbe(urls: readonly string[], everyMs = 20): Probe {
  const waitsMs: number[] = []
  const underWay = new Set<Promise<void>>()
  let failed = 0
  let count = 0
  let dueAt = performance.now() + everyMs
  let timer = setTimeout(tick, everyMs)

  function tick(): void {
    const url = urls[count % urls.length]
    count += 1
    if (url !== undefined) {
      const request = ask(url, dueAt).finally(() => underWay.delete(request))
      underWay.add(request)
    }
    dueAt += everyMs
    timer = setTimeout(tick, Math.max(0, dueAt - performance.now()))
  }

  async function ask(url: string, since: number): Promise<void> {
    try {
      const response = await fetch(url)
      await response.arrayBuffer()
      if (response.status >= 500) failed += 1
    } catch {
      failed += 1 // It is counted and shown; the probe goes on to see whether the service recovers.
    }
    waitsMs.push(performance.now() - since)
  }

  return {
    async stop() {
      clearTimeout(timer)
      await Promise.all(underWay)
      const sorted = waitsMs.sort((a, b) => a - b)
      return { requests: sorted.length, failed, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
    },
  }
}

/** The value below which that share of a sorted list lies; 0 for an empty list. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}
