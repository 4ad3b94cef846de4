// The simulation is worth what it finds: every mistake that is made on purpose has to show in some hundreds of worlds.
// Those with a star run with every `npm test`; all of them with `npm run slow`.
import { spawn } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { brokenBrokers, wrap } from '../support/broken-brokers.ts'
import { mutants } from './mutants.ts'
import { type Summary, simulate } from './run.ts'

const SEEDS = 1_000
const all = process.env.OFFSTAGE_TESTS === 'all'

let build = ''
beforeAll(async () => {
  const scripts = new URL('../../scripts/simulation.mjs', import.meta.url).href
  const { buildSimulation } = (await import(scripts)) as {
    readonly buildSimulation: (name: string) => string
  }
  build = buildSimulation('mutants')
})
afterAll(() => rmSync(build, { recursive: true, force: true }))

/** Runs the simulation of a build until a seed fails. */
function run(folder: string): Promise<Summary> {
  const args = [join(folder, 'test/simulation/main.js'), '--from', '1', '--seeds', String(SEEDS)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(said) as Summary)
      else reject(new Error(`the simulation ended with code ${code}`))
    })
  })
}

describe('the simulation finds', { timeout: 120_000 }, () => {
  const chosen = mutants.filter(({ star }) => all || star === true)
  test.each(chosen.map((mutant, i) => ({ ...mutant, i })))('$mistake', async (mutant) => {
    const folder = `${build}-${mutant.i}`
    try {
      cpSync(build, folder, { recursive: true })
      const file = join(folder, mutant.file)
      const parts = readFileSync(file, 'utf8').split(mutant.find)
      expect(parts, `how often ${mutant.file} has: ${mutant.find}`).toHaveLength(2)
      writeFileSync(file, parts.join(mutant.replace))
      const { failures, seeds } = await run(folder)
      console.log(`${mutant.mistake}: seed ${seeds}, ${failures[0]?.violation}`)
      expect(failures).toHaveLength(1)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the simulation finds a broker that', { timeout: 60_000 }, () => {
  const seen = [
    'forgets every seventh job',
    'settles without a look at the token',
    'hands out jobs without a lease',
    'never takes a job back from a dead worker',
    'hands out as many suspects as there are',
    'refuses an outcome that it has recorded already',
    'gives one slot too many',
    'knows no unique keys',
  ]
  test.each(brokenBrokers.filter(({ fault }) => seen.includes(fault)))(
    '$fault',
    async ({ fault, breaks }) => {
      const { failures, seeds } = await simulate({
        from: 1,
        count: SEEDS,
        breaks: (honest) => wrap(honest, breaks(honest)),
      })
      console.log(`${fault}: seed ${seeds}, ${failures[0]?.violation}`)
      expect(failures).toHaveLength(1)
    },
  )
})
