import { offstage } from 'offstage'
import { z } from 'zod'

const app = offstage({ broker: 'sqlite:offstage.db' })

const sendWelcome = app.task({
  name: 'send-welcome',
  input: z.object({ to: z.email(), name: z.string() }),
  retry: { attempts: 5, base: '1s' },
  async run({ to, name }, ctx) {
    ctx.log.info(`writing to ${to}`)
    return { text: `Welcome, ${name}!` }
  },
})

const worker = app.worker({ concurrency: 20 })
await worker.start()

const job = await sendWelcome.enqueue({ to: 'ada@example.org', name: 'Ada' })
console.log((await job.result({ timeout: '10s' })).text) // typed: string

await worker.stop()
await app.close()
