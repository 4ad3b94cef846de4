// Errors of the engines and of the file system as coded errors.

import { type ErrorCode, errorCodes } from '../../errors/codes.ts'
import { codeOf, OffstageError } from '../../errors/error.ts'

/** Primary result codes of SQLite. */
const RESULT = {
  5: 'BUSY',
  6: 'LOCKED',
  8: 'READONLY',
  11: 'CORRUPT',
  13: 'FULL',
  14: 'CANTOPEN',
  26: 'NOTADB',
} as const
type Result = (typeof RESULT)[keyof typeof RESULT]

const CODES: { readonly [R in Result]?: ErrorCode } = {
  BUSY: 'BROKER_UNAVAILABLE',
  LOCKED: 'BROKER_UNAVAILABLE',
  READONLY: 'STORE_READONLY',
  CANTOPEN: 'STORE_READONLY',
  FULL: 'STORE_FULL',
  CORRUPT: 'STORE_CORRUPT',
  NOTADB: 'STORE_NOT_A_DATABASE',
}

const SYSTEM: { readonly [code: string]: ErrorCode } = {
  EACCES: 'STORE_READONLY',
  EPERM: 'STORE_READONLY',
  EROFS: 'STORE_READONLY',
  EISDIR: 'STORE_READONLY',
  ENOTDIR: 'STORE_READONLY',
  ENOENT: 'STORE_READONLY',
  EEXIST: 'STORE_READONLY',
  ENOSPC: 'STORE_FULL',
  EDQUOT: 'STORE_FULL',
}

function resultOf(error: unknown): Result | undefined {
  const code = codeOf(error)
  if (code?.startsWith('SQLITE_') === true) {
    const name = code.slice('SQLITE_'.length).split('_')[0]
    return Object.values(RESULT).find((result) => result === name)
  }
  const number = (error as { readonly errcode?: unknown } | null)?.errcode
  return typeof number === 'number' ? RESULT[(number & 255) as keyof typeof RESULT] : undefined
}

/** Another connection holds the file: worth another try, and nobody's failure. */
export function isBusy(error: unknown): boolean {
  const result = resultOf(error)
  return result === 'BUSY' || result === 'LOCKED'
}

/** True where the store itself is in trouble, so that every other call would fail as well. */
export function isOutage(error: unknown): boolean {
  const code = toStoreError(error).code
  return code !== 'STORE_FAILED' && code.startsWith('STORE_')
}

/** The error as one of the library's. */
export function toStoreError(error: unknown, file?: string): OffstageError {
  if (error instanceof OffstageError) return error
  const result = resultOf(error)
  const code = (result && CODES[result]) ?? SYSTEM[codeOf(error) ?? ''] ?? 'STORE_FAILED'
  const said = error instanceof Error ? error.message : String(error)
  const where = file === undefined ? '' : `${file}: `
  return new OffstageError(code, `${where}${said}. ${errorCodes[code].help}`, { cause: error })
}
