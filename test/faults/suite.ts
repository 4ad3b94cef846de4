// The fault tests as tests of vitest. A case is data: what it needs of a broker, and what it does to it. The cases with a
// star run with every `npm test`; all of them run with `npm run faults`, which prints what was measured.
import { appendFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { check, type Rules, type Verdict } from './checker.ts'
import { Fleet, type Process } from './fleet.ts'
import type { Event } from './history.ts'
import { NetProxy } from './proxy.ts'
import { only } from './reading.ts'
import { Watch, within } from './time.ts'
import { takeTurn, turnsMs } from './turn.ts'

/** A private server that tests may harm. */
export interface FaultServer {
  readonly port: number
  readonly url: string
  pause(): void
  resume(): void
  kill(): Promise<void>
  /** On the same port, with what it kept. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** How the server stores: `durable` keeps what was accepted when it is killed. */
export type Durability = 'durable' | 'weaker' | 'none'

export interface FaultOptions {
  /** The URL of a new, empty namespace; the folder is for its files. */
  readonly url: (folder: string, server: FaultServer | undefined) => string
  /** What else has to hold when all is drained. */
  readonly sound?: (url: string) => void | Promise<void>
  /** Starts a server of its own for a case. */
  readonly server?: (durability: Durability) => Promise<FaultServer>
  /** Where the server is reached over TCP. */
  readonly network?: {
    /** The URL of the same namespace by way of another port. */
    readonly through: (url: string, port: number) => string
    /** What the bytes of a request have in them, whichever way it is sent. */
    readonly marks: { readonly [call in 'enqueue' | 'reserve' | 'settle']: readonly string[] }
  }
  /** The URL of the same namespace for a user with this password, where the server has users. */
  readonly guarded?: (url: string, password: string, server: FaultServer | undefined) => Promise<string>
  /** What holds less strictly than elsewhere. */
  readonly rules?: Rules
  /** Why nothing can be run here; undefined where it can. */
  readonly missing?: string | undefined
}

export interface FaultCase {
  /** Its number and what it shows. */
  readonly title: string
  /** Short enough for every run of the tests. */
  readonly star?: true
  readonly needs?: 'server' | 'network'
  /** Default `none`. */
  readonly durability?: Durability
  readonly timeoutMs?: number
  /** Loads the whole machine: it runs while no other case does. */
  readonly alone?: true
  run(arena: Arena): Promise<void>
}

/** Leases of workers that are going to be harmed. */
export const LEASE_MS = 3_000
const TIMEOUT_MS = 60_000
const limitOf = ({ timeoutMs = TIMEOUT_MS }: FaultCase): number => timeoutMs
/** For its server to start and to end. That a case has taken too long is said before the test is given up. */
const END_MS = 20_000

/** Whether all cases run, or only those with a star. */
export const all: boolean = process.env.OFFSTAGE_TESTS === 'all'

/** What a case has at hand. */
export class Arena {
  readonly fleet: Fleet
  readonly watch: Watch = new Watch()
  readonly facts: string[] = []
  readonly #options: FaultOptions
  readonly #server: FaultServer | undefined
  readonly #ends: (() => unknown)[] = []

  constructor(options: FaultOptions, server: FaultServer | undefined) {
    this.#options = options
    this.#server = server
    this.fleet = new Fleet((folder) => options.url(folder, server))
  }

  get server(): FaultServer {
    if (this.#server === undefined) throw new Error('the case says that it needs no server')
    return this.#server
  }

  /** Whether the broker has what a case may use beyond what it needs. */
  readonly has = (need: 'server' | 'network'): boolean =>
    this.#server !== undefined && (need === 'server' || this.#options.network !== undefined)

  get marks(): NonNullable<FaultOptions['network']>['marks'] {
    return this.#network.marks
  }

  /** A network between whoever uses the URL and the server. */
  readonly net = async (): Promise<{ readonly proxy: NetProxy; readonly url: string }> => {
    const proxy = await NetProxy.start({ host: '127.0.0.1', port: this.server.port })
    this.atEnd(() => proxy.close())
    return { proxy, url: this.#network.through(this.fleet.broker, proxy.port) }
  }

  /** The URL with a password in it, where there can be one. */
  readonly guarded = async (password: string): Promise<string> => {
    const { broker } = this.fleet
    return (await this.#options.guarded?.(broker, password, this.#server)) ?? broker
  }

  /** Called when the case is over, however it went, while its server is still there. The last one first. */
  readonly atEnd = (end: () => unknown): void => {
    this.#ends.unshift(end)
  }

  async dispose(): Promise<void> {
    for (const end of this.#ends) await end()
    await this.fleet.dispose()
  }

  /** For the report. */
  readonly say = (fact: string): void => {
    this.facts.push(fact)
  }

  readonly verdict = async (rules: Rules = {}): Promise<Verdict> => {
    const found = check(this.fleet.history, await this.fleet.final(), { ...this.#options.rules, ...rules })
    this.say(JSON.stringify(found.figures))
    expect(found.violations.slice(0, 20)).toEqual([])
    await this.#options.sound?.(this.fleet.broker)
    return found
  }

  /** Waits until a worker that went on has heard what became of everything it ran. */
  readonly answered = ({ pid }: Process): Promise<true> => {
    return this.fleet.until('the worker has had its answers', (history) => {
      const mine = (event: Event): boolean => event.pid === pid
      const key = ({ id, token }: { readonly id: string; readonly token: number }): string => `${id} ${token}`
      const answers = new Set(only(history, 'settled').filter(mine).map(key))
      return (
        only(history, 'run')
          .filter(mine)
          .every((run) => answers.has(key(run))) || undefined
      )
    })
  }

  get #network(): NonNullable<FaultOptions['network']> {
    if (this.#options.network === undefined) throw new Error('the case says that it needs no network')
    return this.#options.network
  }
}

/** Registers the cases that this run is for and that the broker can have. */
export function faultTests(name: string, options: FaultOptions, cases: readonly FaultCase[]): void {
  const { server, network, missing } = options
  const fit = cases.filter(
    ({ needs, star }) =>
      (all || star === true) &&
      (needs !== 'server' || server !== undefined) &&
      (needs !== 'network' || (server !== undefined && network !== undefined)),
  )
  if (fit.length === 0) return
  const measured = async (one: FaultCase): Promise<void> => {
    const started = await server?.(one.durability ?? 'none')
    const arena = new Arena(options, started)
    const startedAt = performance.now()
    let ok = false
    try {
      await within(limitOf(one), one.run(arena), () => arena.fleet.tell())
      ok = true
    } finally {
      const facts = [...arena.facts, ...arena.watch.stop()]
      report({ broker: name, case: one.title, ok, ms: Math.round(performance.now() - startedAt), facts })
      await arena.dispose()
      await started?.stop()
    }
  }
  describe(`faults on ${name}`, () => {
    for (const one of fit) {
      test(one.title, { timeout: turnsMs + limitOf(one) + END_MS }, async ({ skip, signal }) => {
        if (missing !== undefined) skip(missing)
        const giveTurn = await takeTurn(one.alone === true, signal)
        try {
          await measured(one)
        } finally {
          giveTurn()
        }
      })
    }
  })
}

/** A line that people read, and one a file for `npm run faults`. */
export function report(line: {
  readonly broker: string
  readonly case: string
  readonly ok: boolean
  readonly ms: number
  readonly facts: readonly string[]
}): void {
  console.log(`${line.broker}, ${line.case}: ${line.facts.join('; ')}`)
  const file = process.env.OFFSTAGE_FAULTS_REPORT
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`)
}
