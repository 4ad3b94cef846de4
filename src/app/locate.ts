// Which broker an app uses: the one named in code, else OFFSTAGE_BROKER, else a SQLite file beside the nearest
// package.json, which is not good enough for production, where silence would mean jobs on a disk that goes away.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { OffstageError } from '../errors/error.ts'

const DEFAULT_FILE = 'offstage.db'

export interface Located {
  readonly url: string
  /** Where it was named. */
  readonly from: 'code' | 'OFFSTAGE_BROKER' | 'default'
  /** Where relative files start: the nearest folder with a package.json, else the working directory. */
  readonly baseDir: string
}

export interface Surroundings {
  readonly env: { readonly [name: string]: string | undefined }
  readonly cwd: string
}

/**
 * @throws BROKER_REQUIRED under NODE_ENV=production where none was named
 */
export function locateBroker(named: string | undefined, { env, cwd }: Surroundings): Located {
  const baseDir = packageFolder(cwd)
  const fromEnvironment = env.OFFSTAGE_BROKER
  if (named !== undefined) return { url: named, from: 'code', baseDir }
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return { url: fromEnvironment, from: 'OFFSTAGE_BROKER', baseDir }
  }
  if (env.NODE_ENV !== 'production') return { url: `sqlite:${DEFAULT_FILE}`, from: 'default', baseDir }
  throw new OffstageError(
    'BROKER_REQUIRED',
    "no broker is named and NODE_ENV is 'production'; name one: offstage({ broker: 'sqlite:/var/lib/app/offstage.db' }) or OFFSTAGE_BROKER",
  )
}

function packageFolder(cwd: string): string {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return resolve(cwd)
  }
}
