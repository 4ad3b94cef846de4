// A task as its users hold it: typed, and tied to the app that it was made with.
import { type Call, makeCall } from '../task/call.ts'
import { type AnyTask, type Definition, definitionOf } from '../task/definition.ts'
import type { JobOptions } from '../task/options.ts'
import type { Client, ManyOptions } from './client.ts'
import type { JobHandle } from './handle.ts'

/** Input and options; the input may be left out where it may be `undefined`. */
export type CallArguments<In> = undefined extends In
  ? [input?: In, options?: JobOptions]
  : [input: In, options?: JobOptions]

/** A task that takes an `In` and whose result reads back from JSON as an `Out`. */
export interface Task<In = unknown, Out = unknown> extends AnyTask {
  /**
   * Hands a job to the broker. Resolves once the broker has it, as durably as its setting says.
   *
   * @throws INPUT_INVALID, NOT_JSON, PAYLOAD_TOO_LARGE, OPTION_INVALID, ID_INVALID, ID_TAKEN, BROKER_*, STORE_*
   */
  enqueue(...call: CallArguments<In>): Promise<JobHandle<Out>>
  /**
   * Hands over many jobs: all are checked before the first is sent; then they travel in chunks of 1,000, each stored
   * whole or not at all. After an error of the broker some chunks may be stored: with ids of their own it may be
   * repeated without harm.
   *
   * @param options the same for all, or a function of the input and its place
   */
  enqueueMany(inputs: Iterable<In>, options?: ManyOptions<In>): Promise<JobHandle<Out>[]>
  /** A call, for `app.enqueue`. Nothing is checked or sent yet. */
  with(...call: CallArguments<In>): Call<Out>
  /** A handle for a job of this task that is there already. */
  job(id: string): JobHandle<Out>
}

declare const formsOf: unique symbol

/** A task that was defined and is implemented elsewhere: `app.implement(definition, run)`. */
export interface DefinedTask<In = unknown, Out = unknown, Parsed = unknown, Returned = unknown>
  extends Task<In, Out> {
  /** In the types only: what the handler gets and returns. */
  readonly [formsOf]?: { readonly parsed: Parsed; readonly returned: Returned }
}

class ClientTask<In, Out> implements Task<In, Out> {
  readonly [definitionOf]: Definition
  readonly #client: Client

  constructor(client: Client, definition: Definition) {
    this.#client = client
    this[definitionOf] = definition
  }

  get name(): string {
    return this[definitionOf].name
  }

  get queue(): string {
    return this[definitionOf].queue
  }

  enqueue(...[input, options]: CallArguments<In>): Promise<JobHandle<Out>> {
    return this.#client.enqueue(this[definitionOf], input, options)
  }

  enqueueMany(inputs: Iterable<In>, options?: ManyOptions<In>): Promise<JobHandle<Out>[]> {
    return this.#client.enqueueMany(this[definitionOf], inputs, options)
  }

  with(...[input, options]: CallArguments<In>): Call<Out> {
    return makeCall(this[definitionOf], input, options)
  }

  job(id: string): JobHandle<Out> {
    return this.#client.handle(id, this.name)
  }
}

/** The task of a definition, whose jobs go through the client. */
export function clientTask<In, Out>(client: Client, definition: Definition): Task<In, Out> {
  return new ClientTask<In, Out>(client, definition)
}
