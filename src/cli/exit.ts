// What the exit code of the command line says, and which error leads to which code.
import { codeOf } from '../errors/error.ts'

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  brokerUnavailable: 3,
  notFound: 4,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** One line for each code, for `offstage --help` and the reference page. */
export const exitMeanings: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [exitCodes.ok, 'done'],
  [
    exitCodes.failed,
    'failed: the job that was waited for, a check of the doctor, a store with steps pending, or the command itself',
  ],
  [exitCodes.usage, 'wrong usage: an unknown command or option, a bad value, an input that fails its schema'],
  [exitCodes.brokerUnavailable, 'the broker or its store cannot be used'],
  [exitCodes.notFound, 'not found: a job, a task or a file that was named'],
  [exitCodes.interrupted, 'ended at once by SIGINT (Ctrl+C)'],
  [exitCodes.terminated, 'ended at once by SIGTERM'],
]

/** The caller used the command line wrongly: exit code 2, and the message says what is right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something that was named is not there: exit code 4. */
export class NotFoundError extends Error {
  override readonly name = 'NotFoundError'
}

const usageCodes: ReadonlySet<string> = new Set([
  'OPTION_INVALID',
  'NAME_INVALID',
  'ID_INVALID',
  'DURATION_INVALID',
  'INPUT_INVALID',
  'NOT_JSON',
  'PAYLOAD_TOO_LARGE',
  'ID_TAKEN',
  'SHARD_MISMATCH',
  'SHARD_LIMIT',
  'TEXT_INVALID',
  'BROKER_UNKNOWN',
  'BROKER_REQUIRED',
])

/** Codes of brokers and their stores, but for those that a wrong name makes. */
const BROKER_CODE = /^(BROKER|STORE|SQLITE)_/

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage
  if (error instanceof NotFoundError) return exitCodes.notFound
  const code = codeOf(error) ?? ''
  if (usageCodes.has(code)) return exitCodes.usage
  if (BROKER_CODE.test(code)) return exitCodes.brokerUnavailable
  return code === 'JOB_NOT_FOUND' ? exitCodes.notFound : exitCodes.failed
}
