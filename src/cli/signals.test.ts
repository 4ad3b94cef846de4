// Proves that the first signal drains and the second one ends, whichever they are.
import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { onSignals } from './signals.ts'

test('first drains, second ends, and none is heard after the end', () => {
  const source = new EventEmitter()
  const heard: string[] = []
  const stop = onSignals(
    { drain: (signal) => heard.push(`drain ${signal}`), end: (signal) => heard.push(`end ${signal}`) },
    source,
  )
  source.emit('SIGTERM')
  source.emit('SIGINT')
  source.emit('SIGTERM')
  expect(heard).toEqual(['drain SIGTERM', 'end SIGINT', 'end SIGTERM'])
  stop()
  expect(source.eventNames()).toEqual([])
})
