// One run of the application: the book site, the web service and a worker are started, all books are enqueued through
// the service as a user would, and the summary tells how it went. This process has the service, the others their own.
import { app } from './app.ts'
import { tellOutcome, waitForAll } from './jobs.ts'
import type { Options } from './options.ts'
import { startProbe } from './probe.ts'
import { type RunningSite, startSiteProcess, startWorkerProcess } from './processes.ts'
import { formatCount, showProgress } from './progress.ts'
import { type RunningService, serve } from './serve.ts'
import type { TroubleKind } from './site/troubles.ts'
import { closeBookStore } from './store.ts'
import { formatSummary } from './summary.ts'

const CHUNK = 250

/** Runs until the summary with `once`, else until SIGINT or SIGTERM. */
export async function run(options: Options): Promise<void> {
  const stop = stopOnSignals()
  const siteStarts = startSiteProcess(options.port === 0 ? 0 : options.port + 1)
  const workerStarts = startWorkerProcess(options.concurrency)
  try {
    const [site, worker] = await Promise.all([siteStarts, workerStarts])
    const service = await serve({ port: options.port, allowed: [`${site.url}/book/show/`] })
    try {
      sayWhereThingsAre(options, site, service)
      await Promise.race([work(options, { site, service, stop }), site.died, worker.died])
      if (stop.aborted) console.log('Stopping: running jobs may finish.')
    } finally {
      await worker.stop()
      await service.close()
    }
  } finally {
    // One of the two may have started where the other could not. To stop what is stopped does nothing.
    for (const started of await Promise.allSettled([workerStarts, siteStarts])) {
      if (started.status === 'fulfilled') await started.value.stop()
    }
    await app.close()
    closeBookStore()
  }
}

async function work(options: Options, stage: Stage): Promise<void> {
  await parseAll(options, stage)
  if (options.once || stage.stop.aborted) return
  sayWhatToTry(options, stage.site, stage.service)
  await aborted(stage.stop)
}

interface Stage {
  site: RunningSite
  service: RunningService
  stop: AbortSignal
}

/** Enqueues the books, waits until each job has ended, and prints the summary. */
async function parseAll(options: Options, { site, service, stop }: Stage): Promise<void> {
  const urls = site.urls.slice(0, options.books)
  const probe = startProbe(urls.map((url) => `${service.url}/getBookInfo?url=${encodeURIComponent(url)}`))
  const startedAt = performance.now()
  await enqueueAll(urls, service.url)
  const progress = showProgress(process.stdout, urls.length)
  let done = 0
  const all = waitForAll(urls, () => {
    done += 1
    progress.update(done)
  })
  await Promise.race([all, aborted(stop)])
  const tookMs = performance.now() - startedAt
  const report = await probe.stop()
  progress.end()
  const outcome = await tellOutcome(urls)
  console.log(`\n${formatSummary({ total: urls.length, tookMs, outcome, probe: report })}`)
}

async function enqueueAll(urls: readonly string[], serviceUrl: string): Promise<void> {
  let scheduled = 0
  let known = 0
  for (let start = 0; start < urls.length; start += CHUNK) {
    const response = await fetch(`${serviceUrl}/parseGoodreadsLinks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(urls.slice(start, start + CHUNK)),
    })
    if (!response.ok) throw new Error(`the service refused the links: ${await response.text()}`)
    const answer = (await response.json()) as { scheduled: number; known: number }
    scheduled += answer.scheduled
    known += answer.known
  }
  console.log(`Scheduled ${formatCount(scheduled)} books; ${formatCount(known)} were known already.`)
}

function sayWhereThingsAre(options: Options, site: RunningSite, service: RunningService): void {
  sayPort('Book site  ', site, options.port === 0 ? 0 : options.port + 1)
  sayPort('Web service', service, options.port)
  console.log(
    `Broker      ${options.broker === undefined ? process.env.OFFSTAGE_BROKER : 'as given by --broker'}`,
  )
  if (options.keep || options.broker !== undefined) {
    console.log('            Jobs are kept: those of an earlier start are known, and are not run again.')
  } else {
    console.log(
      '            Removed at the end, so that the next start has all the work to do again (--keep keeps it).',
    )
  }
}

function sayPort(name: string, { url, port }: { url: string; port: number }, wanted: number): void {
  const note = wanted === 0 || wanted === port ? '' : `  (port ${wanted} is in use)`
  console.log(`${name} ${url}${note}`)
}

function sayWhatToTry(options: Options, site: RunningSite, service: RunningService): void {
  const asked = site.books.slice(0, options.books)
  const urlOf = (kind: TroubleKind | undefined): string | undefined => {
    const book = asked.find(({ id }) => site.troubles.get(id)?.kind === kind)
    return book === undefined ? undefined : site.urls[book.id - 1]
  }
  const sound = urlOf(undefined)
  const broken = urlOf('broken')
  console.log('\nStill up. Try:')
  console.log(`  curl '${service.url}/'`)
  if (sound !== undefined) {
    console.log(`  curl '${service.url}/getBookInfo?url=${sound}'`)
    console.log(`  curl '${service.url}/jobs?id=${sound}'`)
    console.log(`  curl -d '["${sound}"]' '${service.url}/parseGoodreadsLinks'`)
  }
  if (broken !== undefined) console.log(`  curl '${service.url}/jobs?id=${broken}'    # a dead letter`)
  console.log('Ctrl-C ends it.')
}

/** Aborted by the first SIGINT or SIGTERM. The second one ends the process at once, for whoever cannot wait. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort()
    })
  }
  return controller.signal
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
