// The statements of `sql/`, each prepared when it is first used and kept.
import type { Database, Statement } from './engine.ts'
import { sql } from './sql.generated.ts'

export type Statements = { readonly [K in keyof typeof sql]: Statement }

export function prepareAll(db: Database): Statements {
  const statements = {}
  for (const [name, text] of Object.entries(sql)) {
    Object.defineProperty(statements, name, {
      configurable: true,
      get: () => {
        const statement = db.prepare(text)
        Object.defineProperty(statements, name, { value: statement })
        return statement
      },
    })
  }
  return statements as Statements
}
