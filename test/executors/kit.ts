// A worker in this process for the tasks of `tasks.ts`, on the memory broker, and waits with a limit.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AppWorker, AppWorkerOptions, JobHandle, JobOptions, JobSnapshot } from '../../src/index.ts'
import { app, strict, twin } from './tasks.ts'
import { LIMIT_MS, until } from './until.ts'

export type Kind = keyof typeof twin

export class Kit {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'offstage-executors-'))
  #worker: AppWorker | undefined
  #files = 0

  get worker(): AppWorker {
    if (this.#worker === undefined) throw new Error('no worker was started')
    return this.#worker
  }

  /** In place of the one before. */
  async start(options: AppWorkerOptions = {}): Promise<AppWorker> {
    await this.#worker?.stop({ grace: 0 })
    const tasks = [...Object.values(twin), strict]
    this.#worker = app.worker({ tasks, pollInterval: '20ms', abandonAfter: '200ms', ...options })
    await this.#worker.start()
    return this.#worker
  }

  /** A job that does a deed. */
  enqueue(kind: Kind, deed: string, value?: unknown, options?: JobOptions): Promise<JobHandle> {
    return twin[kind].enqueue({ deed, value }, options)
  }

  /** What comes of a deed that ends well. */
  async result(kind: Kind, deed: string, value?: unknown, options?: JobOptions): Promise<unknown> {
    const job = await this.enqueue(kind, deed, value, options)
    return job.result({ timeout: LIMIT_MS })
  }

  /** The job of a deed, once its first attempt has ended. */
  async ended(kind: Kind, deed: string, value?: unknown, options?: JobOptions): Promise<JobSnapshot> {
    return this.attempted(await this.enqueue(kind, deed, value, options))
  }

  async attempted(job: JobHandle, times = 1): Promise<JobSnapshot> {
    await until(
      `an attempt of ${job.id} ended`,
      async () => ((await job.record())?.attempts.length ?? 0) >= times,
    )
    return recordOf(job)
  }

  /** The name of a file that is not there yet. */
  file(): string {
    this.#files += 1
    return join(this.folder, `file-${this.#files}`)
  }

  /** Waits for a handler to have written its file, and answers what it wrote. */
  async wrote(file: string): Promise<string> {
    await until(`${file} is written`, () => existsSync(file) && readFileSync(file, 'utf8') !== '')
    return readFileSync(file, 'utf8')
  }

  async close(): Promise<void> {
    await this.#worker?.stop({ grace: 0 })
    await app.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export async function recordOf(job: JobHandle): Promise<JobSnapshot> {
  const record = await job.record()
  if (record === undefined) throw new Error(`no job ${job.id}`)
  return record
}
