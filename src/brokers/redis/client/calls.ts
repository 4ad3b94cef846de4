// Sends commands to the node of their key: waits a little for a connection, follows a slot that has moved, gives a
// script's text to a server that lacks it, and leaves a server that takes no writes.
import { OffstageError } from '../../../errors/error.ts'
import { nameOf, type Settings } from '../options.ts'
import type { Connection } from './connection.ts'
import { type Turn, turnOf, unavailable } from './errors.ts'
import type { Link } from './link.ts'
import type { Router } from './router.ts'
import type { Waiters } from './waiters.ts'

export interface Script {
  readonly name: string
  readonly text: string
  readonly sha: string
}

export type Args = readonly (string | Buffer)[]

/** A link and the connection that it has now. */
export interface Place {
  readonly link: Link
  readonly connection: Connection
}

type Found = Place | { readonly failure: OffstageError | undefined }

const MAX_REDIRECTS = 8

/**
 * What is sent on a connection until it is asked to be confirmed, and is confirmed together: WAIT holds up all that comes
 * behind it, one after the other where there are several.
 */
interface Round {
  confirmed: Promise<void> | undefined
}

/** A server that knows not the script: it is sent again with its text. */
class ScriptMissing extends Error {}

export class Calls {
  readonly #settings: Settings
  readonly #router: Router
  readonly #waiters: Waiters
  /** WAIT and WAITAOF follow each command. */
  readonly #confirming: boolean
  readonly #rounds = new WeakMap<Connection, Round>()
  #sent = 0

  constructor(settings: Settings, router: Router, waiters: Waiters, confirming: boolean) {
    this.#settings = settings
    this.#router = router
    this.#waiters = waiters
    this.#confirming = confirming
  }

  get sent(): number {
    return this.#sent
  }

  async run(script: Script, key: string, args: Args): Promise<unknown> {
    const tail = ['1', key, ...args]
    const what = `the script ${script.name}`
    try {
      return await this.send(key, 'evalsha', [script.sha, ...tail], what)
    } catch (error) {
      if (!(error instanceof ScriptMissing)) throw error
      return this.send(key, 'eval', [script.text, ...tail], what)
    }
  }

  /** @param what the command in words, for errors */
  async send(key: string, name: string, args: Args, what: string): Promise<unknown> {
    let asking: Link | undefined
    for (let turns = 0; ; turns++) {
      const place = asking === undefined ? this.#now(key) : await this.#placeOn(asking)
      const { link, connection } = place ?? (await this.placeFor(key, this.#settings.reconnectWaitMs))
      try {
        // Its own failure would be that of the command behind it, which is told there.
        if (asking !== undefined) this.sendOn(link, connection, 'asking', []).catch(() => undefined)
        const round = this.#confirming ? this.#roundOf(connection) : undefined
        const answer = await this.sendOn(link, connection, name, args)
        if (round !== undefined) {
          // Only behind what was done: else the text of a script that the server lacked would have to wait as well.
          round.confirmed ??= this.#confirm(link, connection)
          await round.confirmed
        }
        return answer
      } catch (error) {
        if (error instanceof OffstageError) throw error
        const turn = turnOf(error)
        if (turn?.kind === 'noscript') throw new ScriptMissing()
        if (turn !== undefined) this.#router.turned(turn, connection.address)
        if (turns < MAX_REDIRECTS && this.#redirects(turn)) {
          asking = turn.kind === 'ask' && turn.to !== undefined ? this.#router.linkAt(turn.to) : undefined
          continue
        }
        const why = this.#redirects(turn)
          ? unavailable(`the cluster could not say which node runs ${what}: its slots are moving`)
          : connection.coded(error, what, key)
        if (turn?.kind === 'leave') link.leave(connection, why)
        throw why
      }
    }
  }

  /** Rejects with what ioredis says. */
  sendOn(link: Link, connection: Connection, name: string, args: Args): Promise<unknown> {
    this.#sent += 1
    return link.send(connection, name, args)
  }

  /** The connection for a key, now or within `ms`. */
  placeFor(
    key: string,
    ms: number,
    hopeless: (failure: OffstageError) => boolean = isHopeless,
  ): Promise<Place> {
    const look = (): Found => {
      const link = this.#router.linkOf(key)
      const connection = link?.connection
      if (link !== undefined && connection !== undefined) return { link, connection }
      return { failure: link?.failure ?? this.#router.failure }
    }
    const place = this.#waiters.wait<Place>(look, ms, hopeless)
    return hopeless === isHopeless ? place.catch(rejectDemoted) : place
  }

  #now(key: string): Place | undefined {
    const link = this.#router.linkOf(key)
    const connection = link?.connection
    return link === undefined || connection === undefined ? undefined : { link, connection }
  }

  #placeOn(link: Link): Promise<Place> {
    const look = (): Found => {
      const { connection, failure } = link
      return connection === undefined ? { failure } : { link, connection }
    }
    return this.#waiters.wait<Place>(look, this.#settings.reconnectWaitMs, isHopeless).catch(rejectDemoted)
  }

  #redirects(turn: Turn | undefined): turn is Extract<Turn, { kind: 'moved' | 'ask' }> {
    return this.#settings.target.mode === 'cluster' && (turn?.kind === 'moved' || turn?.kind === 'ask')
  }

  #roundOf(connection: Connection): Round {
    const round = this.#rounds.get(connection) ?? { confirmed: undefined }
    this.#rounds.set(connection, round)
    return round
  }

  /**
   * On the connection that has written, since WAIT looks at what its own connection wrote last.
   *
   * @throws BROKER_UNAVAILABLE where fewer have confirmed than were asked for
   */
  async #confirm(link: Link, connection: Connection): Promise<void> {
    this.#rounds.delete(connection)
    const { wait, waitaof, silenceMs } = this.#settings
    // Shorter than the limit of silence, so that a slow replica is not taken for a dead server.
    const limit = String(Math.floor(silenceMs / 2))
    const expect = async (name: string, args: Args, wanted: readonly number[]): Promise<void> => {
      const reply = await this.sendOn(link, connection, name, args).catch((error: unknown) => {
        throw connection.coded(error, name.toUpperCase())
      })
      const got = (Array.isArray(reply) ? reply : [reply]).map(Number)
      if (wanted.every((count, i) => (got[i] ?? 0) >= count)) return
      throw unavailable(
        `Redis at ${nameOf(connection.address)} stored it, but ${name.toUpperCase()} was confirmed by ${got.join(' and ')} instead of ${wanted.join(' and ')} within ${limit} ms`,
        { confirmed: got, wanted },
      )
    }
    const waits: Promise<void>[] = []
    if (wait > 0) waits.push(expect('wait', [String(wait), limit], [wait]))
    if (waitaof !== undefined) {
      const { local, replicas } = waitaof
      waits.push(expect('waitaof', [String(local), String(replicas), limit], [local, replicas]))
    }
    const results = await Promise.allSettled(waits)
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
}

/** Waiting does not help against a wrong password. */
function isHopeless(failure: OffstageError): boolean {
  return !failure.retryable
}

/** A primary that this client has worked with was demoted: that passes, as an outage does, and callers repeat. */
function rejectDemoted(failure: OffstageError): never {
  throw failure.code === 'BROKER_IS_REPLICA' ? unavailable(failure.message, failure.details) : failure
}
