// Cases that load the whole machine take turns, also across the files of the brokers, which run side by side: beside one
// another each would be measured by the other.
import { rmSync, writeFileSync } from 'node:fs'
import { codeOf } from '../../src/errors/error.ts'
import { lasting } from './time.ts'

const LOOK_MS = 200

/** The longest that others may have the turn. */
export const TURNS_MS = 900_000

/** Resolves when it is this process's turn, which lasts until the answer is called. At once outside of `npm run faults`. */
export async function takeTurn(): Promise<() => void> {
  const report = process.env.OFFSTAGE_FAULTS_REPORT
  if (report === undefined) return () => undefined
  const file = `${report}.turn`
  while (!taken(file)) await lasting(LOOK_MS)
  return () => rmSync(file, { force: true })
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
