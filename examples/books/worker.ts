// The worker process. `npx offstage worker examples/books/tasks.ts -c 20` would do the same.
import { app } from './app.ts'
import { serveParent } from './processes.ts'
import { closeBookStore } from './store.ts'
import { parseBook } from './tasks.ts'

const worker = app.worker({ tasks: [parseBook], concurrency: Number(process.argv[2]) })
await worker.start()
serveParent('ready', async () => {
  await worker.stop()
  await app.close()
  closeBookStore()
})
