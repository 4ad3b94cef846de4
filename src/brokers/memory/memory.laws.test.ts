// The laws on the memory broker: on a clock that is moved, which is exact, and in real time, which is real.

import { testLaws } from '../../../test/support/law-tests.ts'
import { memoryHarness, realTimeMemoryHarness } from '../../../test/support/memory-harness.ts'

testLaws(memoryHarness())
testLaws(realTimeMemoryHarness())
