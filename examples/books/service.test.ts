import { type TestApp, testApp } from 'offstage/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { app } from './app.ts'
import { createService } from './service.ts'
import { type Site, startSite } from './site/site.ts'
import { bookStore, closeBookStore } from './store.ts'
import { parseBook } from './tasks.ts'

let site: Site
let test: TestApp

beforeAll(async () => {
  process.env.BOOKS_DB = ':memory:'
  site = await startSite()
})
afterAll(() => site.close())
beforeEach(async () => {
  test = await testApp(app)
})
afterEach(async () => {
  await test.close()
  closeBookStore()
})

const service = (): ReturnType<typeof createService> =>
  createService({ store: bookStore(), allowed: [`${site.url}/book/show/`] })

async function post(body: string): Promise<{ status: number; answer: unknown }> {
  const response = await service().request('/parseGoodreadsLinks', { method: 'POST', body })
  return { status: response.status, answer: await response.json() }
}

async function get(path: string): Promise<{ status: number; answer: unknown }> {
  const response = await service().request(path)
  return { status: response.status, answer: await response.json() }
}

/** The first page without any trouble, and the first that answers 404. */
function pages(): { sound: string; missing: string } {
  const sound = site.books.find(({ id }) => !site.troubles.has(id))
  const missing = site.books.find(({ id }) => site.troubles.get(id)?.kind === 'missing')
  return { sound: site.urls[(sound?.id ?? 0) - 1] ?? '', missing: site.urls[(missing?.id ?? 0) - 1] ?? '' }
}

describe('POST /parseGoodreadsLinks', () => {
  it('enqueues each allowed link once, under its normal form, and says what became of the others', async () => {
    const { sound, missing } = pages()
    const links = [sound, `${sound}?ref=1#top`, missing, 'http://evil.example/book/show/1', 'no link']
    expect(await post(JSON.stringify(links))).toEqual({
      status: 202,
      answer: { scheduled: 2, known: 0, repeated: 1, ignored: 2 },
    })
    expect(await post(JSON.stringify([sound]))).toMatchObject({ answer: { scheduled: 0, known: 1 } })
    const waiting = await test.enqueued(parseBook)
    expect(waiting.map(({ id }) => id).sort()).toEqual([sound, missing].sort())
  })

  it('takes an empty list', async () => {
    expect(await post('[]')).toMatchObject({ status: 202, answer: { scheduled: 0, known: 0 } })
  })

  it.each([
    ['not JSON', '[', /not JSON/],
    ['an empty body', '', /not JSON/],
    ['an object', '{"url":"x"}', /not a JSON array/],
    ['null', 'null', /not a JSON array/],
    ['a number among the links', '["a",1]', /item 1 is not a string/],
    ['too many links', JSON.stringify(Array(10_001).fill('a')), /10001 links are too many/],
    ['too large a body', JSON.stringify(['a'.repeat(5_000_000)]), /larger than/],
  ])('answers 400 for %s', async (_, body, reason) => {
    const { status, answer } = await post(body)
    expect(status).toBe(400)
    expect(answer).toEqual({ error: expect.stringMatching(reason) })
  })
})

describe('GET /getBookInfo and GET /jobs', () => {
  it('answer what is known before and after the work', async () => {
    const { sound, missing } = pages()
    expect(await get(`/getBookInfo?url=${sound}`)).toMatchObject({ status: 404, answer: { known: false } })
    expect(await get(`/jobs?id=${sound}`)).toMatchObject({ status: 404 })

    await post(JSON.stringify([sound, missing]))
    expect(await get(`/jobs?id=${sound}`)).toMatchObject({
      status: 200,
      answer: { state: 'ready', attempts: 0 },
    })
    await test.drain()

    const book = site.books.find(({ slug }) => sound.endsWith(slug))
    const { title, author, rating, description } = book ?? {}
    expect(await get(`/getBookInfo?url=${sound}?x=1`)).toMatchObject({
      status: 200,
      answer: { url: sound, title, author, rating, description, known: true },
    })
    expect(await get(`/jobs?id=${sound}`)).toMatchObject({
      answer: { id: sound, state: 'succeeded', attempts: 1, result: { title } },
    })
    expect(await get(`/jobs?id=${missing}`)).toMatchObject({
      answer: { state: 'failed', attempts: 1, error: 'the site answered 404' },
    })
  })

  it.each([
    '/getBookInfo',
    '/getBookInfo?url=',
    '/getBookInfo?url=nonsense',
    '/jobs',
    '/jobs?id=http://evil.example/1',
  ])('answer 400 to %s', async (path) => {
    const { status, answer } = await get(path)
    expect(status).toBe(400)
    expect(answer).toEqual({ error: expect.any(String) })
  })

  it('tell what there is at / and nowhere else', async () => {
    expect(await get('/')).toMatchObject({ status: 200, answer: { allowed: [`${site.url}/book/show/`] } })
    expect(await get('/nothing')).toMatchObject({ status: 404 })
  })
})
