import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemGauge } from './gauge.ts'

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

test('a loop that is held again and again is late, and the memory has a share', async () => {
  const gauge = systemGauge()
  try {
    await turn()
    gauge.read()
    // At least 80 ms a turn: on a loaded machine more, which is as late.
    for (let i = 0; i < 12; i += 1) {
      block(80)
      await turn()
    }
    const { delayMs, memory } = gauge.read()
    expect(delayMs).toBeGreaterThan(25)
    expect(memory).toBeGreaterThan(0)
    expect(memory).toBeLessThan(1)
    // Read again at once, it has seen nothing since.
    expect(gauge.read().delayMs).toBe(0)
  } finally {
    gauge.stop()
  }
})
