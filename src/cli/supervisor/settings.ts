// The settings of `offstage worker` that are about processes and not about jobs, checked.
import { UsageError } from '../exit.ts'
import { type ProbeAddress, probeAddress } from '../probe/address.ts'
import type { SettingName } from '../settings.ts'
import { bytesOf } from '../size.ts'
import type { CommandContext, OptionSpecs } from '../spec.ts'
import { plain } from '../text.ts'

export const processOptions: OptionSpecs = {
  processes: {
    type: 'string',
    value: '<count>',
    help: 'run in so many processes, 1 to 1000, under a supervisor that replaces what ends',
  },
  'max-jobs': {
    type: 'string',
    value: '<count>',
    help: 'replace a process after so many attempts, or up to 10% fewer, so that not all go at once',
  },
  'max-memory': {
    type: 'string',
    value: '<size>',
    help: 'replace a process that uses more memory (RSS), such as 512mb',
  },
  probe: {
    type: 'string',
    value: '<where>',
    help: 'answer /live and /ready over HTTP: 8080 (on 127.0.0.1), 0.0.0.0:8080, unix:/run/worker.sock',
  },
}

export interface ProcessSettings {
  /** Undefined: the worker runs in this process. */
  readonly processes: number | undefined
  readonly maxJobs: number | undefined
  readonly maxMemoryBytes: number | undefined
  readonly probe: ProbeAddress | undefined
}

const MAX_PROCESSES = 1_000
const MAX_JOBS = 1_000_000_000
/** Node by itself takes more than that: whoever writes less has mistaken the unit. */
const MIN_MEMORY = 32 * 1_024 * 1_024

/** @throws UsageError */
export async function processSettings({ settings, io }: CommandContext): Promise<ProcessSettings> {
  const read = async <T>(
    name: SettingName,
    check: (text: string, from: string) => T,
  ): Promise<T | undefined> => {
    const setting = await settings.find(name)
    return setting === undefined ? undefined : check(setting.values[0] ?? '', setting.from)
  }
  const whole = (what: string, max: number) => (text: string, from: string) => {
    if (/^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= max) return Number(text)
    throw new UsageError(`${from}: ${what} is '${plain(text)}'; it is a whole number from 1 to ${max}`)
  }
  const processes = await read('processes', whole('processes', MAX_PROCESSES))
  const maxJobs = await read('maxJobs', whole('max-jobs', MAX_JOBS))
  const maxMemoryBytes = await read('maxMemory', (text, from) =>
    bytesOf(text, `${from}: max-memory`, MIN_MEMORY),
  )
  return {
    // A process that is to be replaced needs somebody who does it.
    processes: processes ?? (maxJobs === undefined && maxMemoryBytes === undefined ? undefined : 1),
    maxJobs,
    maxMemoryBytes,
    probe: await read('probe', (text, from) => probeAddress(text, from, io.cwd)),
  }
}
