// The web service. It answers at once: what takes long is handed to Offstage, and what is known comes from the store.
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { viewJob } from './jobs.ts'
import { type LinkFilter, linkFilter } from './links.ts'
import type { BookStore } from './store.ts'
import { parseBook } from './tasks.ts'

/** What the service is made of. */
export interface ServiceOptions {
  store: BookStore
  /** The origins that book URLs may start with, each with a path that ends in a slash. */
  allowed: readonly string[]
}

const MAX_LINKS = 10_000
const MAX_BODY_BYTES = 4 * 1024 * 1024

/** Makes the service; `createService(...).fetch` answers requests, with or without a server. */
export function createService({ store, allowed }: ServiceOptions): Hono {
  const links = linkFilter(allowed)
  const service = new Hono()

  service.get('/', (c) =>
    c.json({
      'POST /parseGoodreadsLinks': 'a JSON array of book URLs: one job is enqueued for each that is new',
      'GET /getBookInfo?url=': 'what is known of a book',
      'GET /jobs?id=': 'state, attempts and result of a job; its id is the URL of the book',
      allowed,
    }),
  )

  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (c) => c.json({ error: `the body is larger than ${MAX_BODY_BYTES} bytes` }, 400),
  })
  service.post('/parseGoodreadsLinks', limit, async (c) => {
    const body = readLinks(await c.req.text(), links)
    if ('error' in body) return c.json(body, 400)
    const { urls, ignored, repeated } = body
    // The URL is the id of the job, so a book that is waiting, running or freshly done is not enqueued again.
    const jobs = await parseBook.enqueueMany(
      urls.map((url) => ({ url })),
      ({ url }) => ({ id: url }),
    )
    const known = jobs.filter((job) => job.duplicate).length
    return c.json({ scheduled: jobs.length - known, known, repeated, ignored }, 202)
  })

  service.get('/getBookInfo', (c) => {
    const url = readUrl(c.req.query('url'), 'url', links)
    if ('error' in url) return c.json(url, 400)
    const book = store.find(url.value)
    if (book === undefined)
      return c.json({ url: url.value, known: false, message: 'nothing is known yet' }, 404)
    return c.json({ ...book, known: true })
  })

  service.get('/jobs', async (c) => {
    const id = readUrl(c.req.query('id'), 'id', links)
    if ('error' in id) return c.json(id, 400)
    const job = await viewJob(id.value)
    return job === undefined ? c.json({ error: 'no such job is kept', id: id.value }, 404) : c.json(job)
  })

  service.notFound((c) => c.json({ error: 'no such page; GET / tells what there is' }, 404))
  service.onError((error, c) => {
    console.error(error)
    return c.json({ error: 'the service failed; its log says why' }, 500)
  })
  return service
}

interface Refusal {
  error: string
}

interface Links {
  /** Allowed, in their normal form, each once. */
  urls: string[]
  /** How many were not allowed. */
  ignored: number
  /** How many stood in the request more than once. */
  repeated: number
}

function readLinks(text: string, links: LinkFilter): Links | Refusal {
  const body = parseJson(text)
  if (body === undefined) return { error: 'the body is not JSON' }
  if (!Array.isArray(body.value)) return { error: 'the body is not a JSON array' }
  const items: unknown[] = body.value
  if (items.length > MAX_LINKS)
    return { error: `${items.length} links are too many: send at most ${MAX_LINKS}` }
  const strange = items.findIndex((item) => typeof item !== 'string')
  if (strange !== -1) return { error: `item ${strange} is not a string` }

  const fitting = items.flatMap((item) => links.normalise(String(item)) ?? [])
  const urls = [...new Set(fitting)]
  return { urls, ignored: items.length - fitting.length, repeated: fitting.length - urls.length }
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined // The caller answers 400; what exactly was wrong with the text helps nobody.
  }
}

function readUrl(text: string | undefined, name: string, links: LinkFilter): { value: string } | Refusal {
  if (text === undefined || text === '') return { error: `the parameter '${name}' is missing` }
  const value = links.normalise(text)
  if (value === undefined) return { error: `the parameter '${name}' is not the URL of an allowed book page` }
  return { value }
}
