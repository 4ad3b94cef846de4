// The laws on the memory broker: all on a clock that is moved, which is exact, and those on time in real time too.

import { testLaws } from '../../../test/support/law-tests.ts'
import { memoryHarness, realTimeMemoryHarness } from '../../../test/support/memory-harness.ts'

testLaws(memoryHarness())
testLaws(realTimeMemoryHarness(), [3, 7, 10])
