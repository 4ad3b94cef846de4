// A module as a bundler makes one of everything: it defines tasks, makes a worker of its own, and starts it.
import { type AppWorker, offstage } from '../../src/index.ts'

const app = offstage({ broker: 'memory:' })
app.task({ name: 'bundled', run: (input) => ({ input, worker: worker.id ?? 'none', active: worker.active }) })
const later = app.define({ name: 'implemented' })
app.implement(later, (input) => ({ implemented: input }))
// Defined again by a producer's half: the implementation stands.
app.define({ name: 'implemented' })

const worker: AppWorker = app.worker()
await worker.start()
await worker.stop()
