// The limits in force and the queues that are paused, as the file has them. Read again when somebody changed them.
import type { Limit, LimitRule, LimitScope } from '../../broker/contract.ts'
import type { Store } from './store.ts'

type RuleRow = [
  kind: LimitScope['kind'],
  name: number,
  source: LimitRule['source'],
  concurrency: number | null,
  count: number | null,
  perMs: number | null,
]

export class Rules {
  readonly #store: Store
  #limits = new Map<string, Limit>()
  #rows: RuleRow[] = []
  #paused = new Set<number>()

  constructor(store: Store) {
    this.#store = store
  }

  get any(): boolean {
    this.#refresh()
    return this.#limits.size > 0
  }

  isPaused(queue: number): boolean {
    this.#refresh()
    return this.#paused.has(queue)
  }

  of(kind: LimitScope['kind'], name: number): Limit | undefined {
    this.#refresh()
    return this.#limits.get(`${kind} ${name}`)
  }

  /** The tasks that have a rule. */
  tasks(): number[] {
    this.#refresh()
    return [...this.#limits.keys()]
      .filter((key) => key.startsWith('task '))
      .map((key) => Number(key.slice(5)))
  }

  all(): LimitRule[] {
    this.#refresh()
    return this.#rows.map(([kind, name, source, ...limit]) => ({
      scope: this.#scope(kind, name),
      source,
      limit: toLimit(limit),
    }))
  }

  #scope(kind: LimitScope['kind'], id: number): LimitScope {
    const name = this.#store.names.text(id)
    return kind === 'task' ? { kind, task: name } : { kind, queue: name }
  }

  #refresh(): void {
    if (!this.#store.configChanged()) return
    this.#rows = this.#store.sql.listRules.all<RuleRow>()
    this.#limits = new Map()
    // `declared` comes before `set`, which wins.
    for (const [kind, name, , ...limit] of this.#rows) this.#limits.set(`${kind} ${name}`, toLimit(limit))
    this.#paused = new Set(this.#store.sql.listPaused.all<[number]>().map(([queue]) => queue))
  }
}

function toLimit([concurrency, count, perMs]: [number | null, number | null, number | null]): Limit {
  return {
    ...(concurrency === null ? {} : { concurrency }),
    ...(count === null || perMs === null ? {} : { rate: { count, perMs } }),
  }
}
