// The options of an app, checked and complete.
import type { Broker } from '../broker/contract.ts'
import { OffstageError } from '../errors/error.ts'
import { defaultMaxPayloadBytes } from '../job/defaults.ts'
import { type Logger, stderrLogger } from '../runtime/logger.ts'
import { checkKnown, invalidOption, wholeNumber } from '../task/check.ts'
import { type Places, type PlacesOptions, resolvePlaces } from '../task/places.ts'
import { checkDefaults, type TaskDefaults } from '../task/resolve.ts'

export interface AppOptions {
  /**
   * A URL (`sqlite:offstage.db`, `memory:`) or a broker that was made already, which the app opens and closes. Default
   * OFFSTAGE_BROKER, else `sqlite:offstage.db` beside the nearest package.json; under NODE_ENV=production none at all
   * is an error at the first use.
   */
  broker?: string | Broker | undefined
  /** Everything the app keeps in the broker; ids are unique in it. Letters, digits and _ . : -. Default `default`. */
  namespace?: string | undefined
  /** `pino()` fits. Default: warnings and errors to stderr. */
  logger?: Logger | undefined
  /** The most bytes of an input or a result as JSON, 1 to 268,435,456. Default 1,048,576. */
  maxPayloadBytes?: number | undefined
  /** For tasks that say nothing else. */
  defaults?: TaskDefaults | undefined
  /** The threads of `app.offload`. */
  offload?: PlacesOptions | undefined
}

export interface AppSettings {
  readonly broker: string | Broker | undefined
  readonly namespace: string | undefined
  readonly logger: Logger
  readonly maxPayloadBytes: number
  readonly defaults: TaskDefaults
  readonly offload: Places
}

const KNOWN: { readonly [K in keyof Required<AppOptions>]: true } = {
  broker: true,
  namespace: true,
  logger: true,
  maxPayloadBytes: true,
  defaults: true,
  offload: true,
}
const CALLS: readonly (keyof Broker)[] = [
  'open',
  'close',
  'enqueue',
  'reserve',
  'settle',
  'extend',
  'get',
  'list',
]

/** @throws OPTION_INVALID, NAME_INVALID, DURATION_INVALID */
export function resolveApp(options: AppOptions): AppSettings {
  checkKnown('offstage()', options, Object.keys(KNOWN))
  const { broker, namespace, logger = stderrLogger, maxPayloadBytes, defaults = {} } = options
  if (broker !== undefined) checkBroker(broker)
  if (namespace !== undefined) checkNamespace(namespace, broker)
  checkLogger(logger)
  checkDefaults(defaults)
  return {
    broker,
    namespace,
    logger,
    maxPayloadBytes:
      maxPayloadBytes === undefined
        ? defaultMaxPayloadBytes
        : wholeNumber('maxPayloadBytes', maxPayloadBytes, 1, 268_435_456),
    defaults,
    offload: resolvePlaces('offload', options.offload),
  }
}

function checkBroker(broker: unknown): void {
  if (typeof broker === 'string' && broker !== '') return
  const calls =
    typeof broker === 'object' && broker !== null ? (broker as { readonly [call: string]: unknown }) : {}
  if (CALLS.every((call) => typeof calls[call] === 'function')) return
  throw invalidOption('broker', broker, "a URL such as 'sqlite:offstage.db', or a broker object, is needed")
}

function checkNamespace(namespace: string, broker: string | Broker | undefined): void {
  if (typeof namespace !== 'string' || !/^[A-Za-z0-9_.:-]{1,128}$/.test(namespace)) {
    throw invalidOption('namespace', namespace, '1 to 128 letters, digits or _ . : - are needed')
  }
  if (typeof broker !== 'object' || broker.namespace === namespace) return
  throw new OffstageError(
    'OPTION_INVALID',
    `namespace is '${namespace}', but the broker object was made with '${broker.namespace}'; name it there only`,
    { details: { path: 'namespace' } },
  )
}

function checkLogger(logger: Logger): void {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof logger?.[level] !== 'function') {
      throw invalidOption(
        'logger',
        logger,
        `a logger with the methods debug, info, warn and error is needed; it has no ${level}`,
      )
    }
  }
}
