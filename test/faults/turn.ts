// Cases that load the whole machine run alone, also where the files of the brokers run side by side: beside one another
// each would be measured by the other. All others run beside one another.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../../src/errors/error.ts'
import { lasting } from './time.ts'

const LOOK_MS = 200
/** The longest that others may have the turn. */
const TURNS_MS = 1_800_000

const report = process.env.OFFSTAGE_FAULTS_REPORT

/** How long `takeTurn` may take: nothing outside of `npm run faults`. */
export const turnsMs: number = report === undefined ? 0 : TURNS_MS

let taken = 0

/**
 * Resolves when this process may run a case, which it may until the answer is called: `alone`, or beside others that are not
 * alone. A test that was given up while it waited is to abort.
 */
export async function takeTurn(alone: boolean, signal: AbortSignal): Promise<() => void> {
  if (report === undefined) return () => undefined
  const lonely = `${report}.alone`
  taken += 1
  const beside = `${report}.beside-${process.pid}-${taken}`
  const mine = alone ? lonely : beside
  const give = (): void => rmSync(mine, { force: true })
  if (alone) {
    while (!create(lonely)) await pause(signal)
    try {
      while (marksBeside(report).some(isHeld)) await pause(signal)
    } catch (error) {
      give()
      throw error
    }
    return give
  }
  for (;;) {
    // Marked before the look: either this one sees who is alone, or that one waits for this one.
    create(beside)
    if (!isHeld(lonely)) return give
    give()
    await pause(signal)
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await lasting(LOOK_MS)
}

function marksBeside(of: string): string[] {
  const folder = dirname(of)
  return readdirSync(folder)
    .filter((file) => file.startsWith(`${basename(of)}.beside-`))
    .map((file) => join(folder, file))
}

/** Whether the mark is there, and the process that made it too. One of a process that has died is removed. */
function isHeld(mark: string): boolean {
  if (!existsSync(mark)) return false
  const pid = Number(readMark(mark))
  if (pid === 0 || isAlive(pid)) return true
  rmSync(mark, { force: true })
  return false
}

/** Empty while it is being written, and when it has just gone. */
function readMark(mark: string): string {
  try {
    return readFileSync(mark, 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return ''
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** False where somebody alive has it. */
function create(mark: string): boolean {
  if (isHeld(mark)) return false
  try {
    writeFileSync(mark, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return false
  }
}
