// A process that is killed in the middle of a transaction on SQLite, or right after its commit.
import BetterSqlite3 from 'better-sqlite3'
import { offstage } from 'offstage'
import { defineTasks } from './crash-tasks.ts'

const [file = '', what = '', until = ''] = process.argv.slice(2)
const app = offstage({ broker: `sqlite:${file}` })
const db = new BetterSqlite3(file)
const stay = (): Promise<never> => {
  process.send?.('here')
  return new Promise(() => setInterval(() => undefined, 1_000))
}
const reach = (point: string): Promise<unknown> | undefined => (point === until ? stay() : undefined)
const { order, book } = defineTasks(app, db, reach)

if (what === 'enqueue') {
  db.exec('BEGIN IMMEDIATE')
  db.prepare("INSERT INTO app_rows VALUES ('order')").run()
  await order.enqueue('order', { tx: db, id: 'order' })
  await reach('open')
  db.exec('COMMIT')
  await reach('committed')
} else {
  await book.enqueue('book', { id: 'book' })
  await app.worker({ tasks: [book], lease: '1s' }).start()
}
