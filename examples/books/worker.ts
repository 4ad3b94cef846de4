// The worker process. `npx offstage worker examples/books/tasks.ts -c 20` would do the same.
import { app } from './app.ts'
import { serveParent } from './processes.ts'
import { closeBookStore } from './store.ts'
import { parseBook } from './tasks.ts'

const worker = app.worker({ tasks: [parseBook], concurrency: Number(process.argv[2]) })
try {
  await worker.start()
} catch (error) {
  console.error(`The worker could not start: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
serveParent('ready', async () => {
  await worker.stop()
  await app.close()
  closeBookStore()
})
