// Which broker an app uses: the one named in code, else OFFSTAGE_BROKER, else a SQLite file beside the nearest
// package.json, which is not good enough for production, where silence would mean jobs on a disk that goes away.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OffstageError } from '../errors/error.ts'

export const DEFAULT_FILE = 'offstage.db'

export interface Located {
  readonly url: string
  /** Where it was named. */
  readonly from: 'code' | 'OFFSTAGE_BROKER' | 'default'
}

export interface Surroundings {
  readonly env: { readonly [name: string]: string | undefined }
  readonly cwd: string
}

/**
 * The URL of the broker; that of a relative SQLite file made absolute.
 *
 * @throws BROKER_REQUIRED under NODE_ENV=production where none was named
 */
export function locateBroker(named: string | undefined, { env, cwd }: Surroundings): Located {
  const fromEnvironment = env.OFFSTAGE_BROKER
  if (named !== undefined) return { url: absolute(named, cwd), from: 'code' }
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { url: absolute(fromEnvironment, cwd), from: 'OFFSTAGE_BROKER' }
  }
  if (env.NODE_ENV === 'production') {
    throw new OffstageError(
      'BROKER_REQUIRED',
      "no broker is named and NODE_ENV is 'production'; name one: offstage({ broker: 'sqlite:/var/lib/app/offstage.db' }) or OFFSTAGE_BROKER",
    )
  }
  return { url: absolute(`sqlite:${DEFAULT_FILE}`, cwd), from: 'default' }
}

/** `sqlite:jobs.db?durability=normal` with its file resolved from the nearest package.json; other URLs as they are. */
function absolute(url: string, cwd: string): string {
  const match = /^sqlite:(?!\/\/|:memory:)([^?]+)(\?.*)?$/s.exec(url)
  const file = match?.[1]
  if (file === undefined) return url
  return `sqlite:${resolve(packageFolder(cwd), file)}${match?.[2] ?? ''}`
}

/** The nearest folder from `cwd` upward that has a package.json, else `cwd`. */
function packageFolder(cwd: string): string {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return resolve(cwd)
  }
}
