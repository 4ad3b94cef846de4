// The laws over several shards: what shares a shard keeps them all, and what is spread keeps those that need no order
// and no whole between shards.

import { testLaws } from '../../../test/support/law-tests.ts'
import { spreadHarness, togetherHarness } from '../../../test/support/sharded-harness.ts'

testLaws(togetherHarness(4, 2))
testLaws(spreadHarness(4))
