// The simulation from the shell, for scripts/simulate.mjs: seeds from one on, and a summary as one line of JSON; or one
// seed again, with all that happened.
import { parseArgs } from 'node:util'
import { runSeed, simulate } from './run.ts'

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    seeds: { type: 'string' },
    failures: { type: 'string' },
    seed: { type: 'string' },
  },
})

if (values.seed === undefined) {
  const summary = await simulate({
    from: Number(values.from),
    count: Number(values.seeds),
    failures: Number(values.failures ?? 1),
  })
  console.log(JSON.stringify(summary))
} else {
  const { violation, history, virtualMs } = await runSeed(Number(values.seed), { stacks: true })
  console.log(history.lines().join('\n'))
  console.log(
    `\nseed ${values.seed}: ${violation ?? 'all laws held'}, after ${(virtualMs / 1000).toFixed(1)} s`,
  )
  process.exitCode = violation === undefined ? 0 : 1
}
