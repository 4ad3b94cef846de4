// Whether a long queue slows a worker down: the rate of a drain of `jobs` with `waiting` jobs in the queue, over the
// same with just 10,000 more than are drained.
import { execFileSync } from 'node:child_process'
import { count, print } from './support.ts'

const jobs = count('jobs')
const short = drain('short', jobs + count('rest'))
const long = drain('long', count('waiting'))
print({ ratio: long / short, short, long })

function drain(name: string, waiting: number): number {
  const script = new URL('./drain.ts', import.meta.url).pathname
  // Each drain has a queue of its own: the name is added to the file, to the key prefix or to the schema.
  const given = process.argv.slice(2).filter((arg) => !/^(jobs|waiting|scale)=/.test(arg))
  const own = given.map((arg) => (arg.startsWith('broker=') ? `${arg}_${name}` : arg))
  const out = execFileSync(
    process.execPath,
    [...process.execArgv, script, ...own, `jobs=${jobs}`, `waiting=${waiting}`],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  return (JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as { rate: number }).rate
}
