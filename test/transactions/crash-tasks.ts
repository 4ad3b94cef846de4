// The tasks of the process that is killed and of the one that goes on after it.
import type { Database } from 'better-sqlite3'
import type { App, Task } from 'offstage'

/** @param reach called at points where a process may be killed */
export function defineTasks(
  app: App,
  db: Database,
  reach: (point: string) => Promise<unknown> | undefined = () => undefined,
): { readonly order: Task<string, string>; readonly book: Task<string, string> } {
  return {
    order: app.task({ name: 'order', run: (text: string) => text }),
    book: app.task({
      name: 'book',
      run: async (text: string, ctx) => {
        db.exec('BEGIN IMMEDIATE')
        db.prepare('INSERT INTO app_rows VALUES (?)').run(text)
        const result = await ctx.complete(db, text)
        await reach('open')
        db.exec('COMMIT')
        await reach('committed')
        return result
      },
    }),
  }
}
