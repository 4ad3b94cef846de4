import { expect, test } from 'vitest'
import { ByteReader } from './bytes.ts'
import { readId } from './ids.ts'
import { packOutcomes } from './outcomes.ts'

test.each([
  [Number.NaN, 0],
  [Number.POSITIVE_INFINITY, 0],
  [-5, 0],
  [250, 250],
])('a delay of %s is sent as %s', (delayMs, sent) => {
  const reader = new ByteReader(packOutcomes([], [{ id: 'job', token: 7, kind: 'snoozed', delayMs }]))
  expect([reader.u32(), reader.u32()]).toEqual([0, 1])
  expect([readId(reader), reader.u56(), reader.u8()]).toEqual(['job', 7, 5])
  expect([reader.f64(), reader.u8(), reader.f64()]).toEqual([-1, 0, sent])
})
