// What the parts of the broker share: the client, the keys' base, and what was learnt of the store.
import type { RedisClient, Script } from './client/client.ts'
import type { Kinds } from './wire/kinds.ts'

export interface Space {
  readonly client: RedisClient
  /** `offstage:{default}:`; the braces are the hash tag, so that all keys of a namespace or shard share a node. */
  readonly base: string
  readonly namespace: string
  readonly kinds: Kinds
}

export function run(space: Space, script: Script, ...args: (string | Buffer)[]): Promise<unknown> {
  return space.client.run(script, space.base, args)
}
