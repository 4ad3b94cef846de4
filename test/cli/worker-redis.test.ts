// `offstage worker` before its server: it says so, waits, and works once the server is there.
import { afterEach, beforeEach, expect } from 'vitest'
import { freePort } from '../support/ports.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'
import { Project, tasksSource } from './project.ts'

let project: Project
let server: RedisServer | undefined

beforeEach(() => {
  project = new Project()
  project.write('tasks.ts', tasksSource)
})
afterEach(async () => {
  await project.close()
  await server?.stop()
})

redisTest('a worker waits for a broker that is away at its start', async () => {
  const port = await freePort()
  const broker = ['--broker', `redis://127.0.0.1:${port}`]
  const worker = project.start(['worker', './tasks.ts', ...broker])
  await worker.says('trying again in')
  server = await startRedis({ port })
  await worker.says('offstage worker ready: 2 tasks (add, hold), broker redis')
  const done = await project.run([
    'enqueue',
    'add',
    '{"a":1,"b":2}',
    '--entry',
    'tasks.ts',
    '--wait',
    ...broker,
  ])
  expect(done).toMatchObject({ code: 0, stdout: '{"sum":3}\n' })
})
