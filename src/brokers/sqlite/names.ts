// Names of queues, tasks and workers as small numbers. The table only grows, so what was read stays true.
import type { Statements } from './statements.ts'

export class Names {
  readonly #sql: Statements
  readonly #ids = new Map<string, number>()
  readonly #names = new Map<number, string>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The number of a name, which gets one if it has none. Only within a write. */
  id(name: string): number {
    const known = this.find(name)
    if (known !== undefined) return known
    this.#sql.insertName.run(name)
    return this.find(name) ?? 0
  }

  /** The number of a name that has one. */
  find(name: string): number | undefined {
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    const row = this.#sql.nameId.get<[number]>(name)
    if (row !== undefined) this.#remember(row[0], name)
    return row?.[0]
  }

  text(id: number): string {
    const known = this.#names.get(id)
    if (known !== undefined) return known
    const row = this.#sql.nameText.get<[string]>(id)
    if (row === undefined) return ''
    this.#remember(id, row[0])
    return row[0]
  }

  /** After a rollback: names that were new are not there. */
  forget(): void {
    this.#ids.clear()
    this.#names.clear()
  }

  #remember(id: number, name: string): void {
    this.#ids.set(name, id)
    this.#names.set(id, name)
  }
}
