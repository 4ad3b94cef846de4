// Whether a long queue slows a worker down: the rate of a drain of 50,000 jobs with 1,000,000 waiting, over the same
// with 60,000 waiting of which the last 10,000 stay.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { args, print } from './support.ts'

const { folder = '' } = args()
const short = drain('short', 60_000)
const long = drain('long', 1_000_000)
print({ ratio: long / short, short, long })

function drain(name: string, waiting: number): number {
  mkdirSync(`${folder}/${name}`)
  const script = new URL('./drain.ts', import.meta.url).pathname
  const call = ['--import', 'tsx', script, `folder=${folder}/${name}`, 'jobs=50000', `waiting=${waiting}`]
  const out = execFileSync(process.execPath, call, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  return (JSON.parse(out.trim().split('\n').at(-1) ?? '{}') as { rate: number }).rate
}
