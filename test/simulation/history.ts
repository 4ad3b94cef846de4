// What happened in a world, in order. Facts are kept as they are and become text only when somebody wants to read them.

export type Fact =
  | string
  | number
  | boolean
  | undefined
  | readonly Fact[]
  | { readonly [name: string]: unknown }

export class History {
  readonly #now: () => number
  readonly #events: (readonly [at: number, who: string, what: string, facts: readonly Fact[]])[] = []
  readonly dealt: Map<string, number> = new Map()
  /** The first law that was broken. */
  violation: string | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  get length(): number {
    return this.#events.length
  }

  add(who: string, what: string, ...facts: readonly Fact[]): void {
    this.#events.push([this.#now(), who, what, facts])
  }

  /** A fault, or anything else that was done to the world on purpose. */
  deal(what: string): void {
    this.dealt.set(what, (this.dealt.get(what) ?? 0) + 1)
  }

  /** The world goes to its end at the next look; only the first violation counts, since others follow from it. */
  broken(law: string): void {
    if (this.violation !== undefined) return
    this.violation = law
    this.add('world', 'BROKEN', law)
  }

  lines(last: number = this.#events.length): string[] {
    return this.#events.slice(-last).map(([at, who, what, facts]) => {
      const said = facts.filter((fact) => fact !== undefined).map(textOf)
      return [`${(at / 1000).toFixed(4).padStart(9)} ${who.padEnd(8)} ${what}`, ...said].join(' ')
    })
  }
}

function textOf(fact: Fact): string {
  return typeof fact === 'string' ? fact : JSON.stringify(fact)
}
