// Cases that load the whole machine run alone, also where the files of the brokers run side by side: beside one another
// each would be measured by the other. All others run beside one another.
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { codeOf } from '../../src/errors/error.ts'
import { lasting } from './time.ts'

const LOOK_MS = 200

/** The longest that others may have the turn. */
export const TURNS_MS = 1_200_000

/**
 * Resolves when this process may run a case, which it may until the answer is called: `alone`, or beside others that are not
 * alone. At once outside of `npm run faults`.
 */
export async function takeTurn(alone: boolean): Promise<() => void> {
  const report = process.env.OFFSTAGE_FAULTS_REPORT
  if (report === undefined) return () => undefined
  const lonely = `${report}.alone`
  const beside = `${report}.beside-${process.pid}`
  if (alone) {
    while (!taken(lonely)) await lasting(LOOK_MS)
    while (others(report)) await lasting(LOOK_MS)
    return () => rmSync(lonely)
  }
  for (;;) {
    // Marked before the look: either this one sees who is alone, or that one waits for this one.
    if (taken(beside) && !standing(lonely)) return () => rmSync(beside)
    rmSync(beside)
    await lasting(LOOK_MS)
  }
}

function others(report: string): boolean {
  return readdirSync(dirname(report)).some((file) => file.startsWith(`${basename(report)}.beside-`))
}

function standing(file: string): boolean {
  return readdirSync(dirname(file)).includes(basename(file))
}

function taken(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return false
  }
}
