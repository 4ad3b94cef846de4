// A module that can be imported only once a file is there.
import { existsSync } from 'node:fs'
import { offstage } from '../../src/index.ts'

if (!existsSync(process.env.EXECUTORS_MOOD ?? '')) throw new Error('not in the mood')

offstage({ broker: 'memory:' }).task({ name: 'moody', run: () => 'well' })
