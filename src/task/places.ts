// How many threads or processes may run tasks, and how much memory each may use.
import { availableParallelism } from 'node:os'
import { bytesOf, type Size } from '../runtime/sizes.ts'
import { checkKnown, wholeNumber } from './check.ts'

export interface PlacesOptions {
  /** How many at most, 1 to 1,024. Default as many as the machine runs at once. */
  max?: number | undefined
  /**
   * The most memory of the JavaScript heap of each: bytes or `'512mb'`, from 16 MB to 64 GB. One that needs more ends,
   * and with it the attempt. Default what Node takes.
   */
  memory?: Size | undefined
}

/** Checked. What is absent is up to the machine. */
export interface Places {
  readonly max: number | undefined
  readonly memoryBytes: number | undefined
}

const MEGABYTE = 1_048_576

/** @throws OPTION_INVALID */
export function resolvePlaces(path: string, options: PlacesOptions = {}): Places {
  checkKnown(path, options, ['max', 'memory'])
  const { max, memory } = options
  return {
    max: max === undefined ? undefined : wholeNumber(`${path}.max`, max, 1, 1_024),
    memoryBytes:
      memory === undefined ? undefined : bytesOf(memory, `${path}.memory`, 16 * MEGABYTE, 65_536 * MEGABYTE),
  }
}

/** How many there may be. */
export function placesOf({ max }: Places): number {
  return max ?? availableParallelism()
}
