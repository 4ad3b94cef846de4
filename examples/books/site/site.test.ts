import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { type Site, type SiteOptions, startSite } from './site.ts'
import { TROUBLES, type TroubleKind } from './troubles.ts'

const open: Site[] = []

afterEach(async () => {
  for (const site of open.splice(0)) await site.close()
})

async function start(options?: SiteOptions): Promise<Site> {
  const site = await startSite(options)
  open.push(site)
  return site
}

function urlWith(site: Site, kind: TroubleKind | undefined): string {
  const book = site.books.find(({ id }) => site.troubles.get(id)?.kind === kind)
  const url = book === undefined ? undefined : site.urls[book.id - 1]
  if (url === undefined) throw new Error(`no page is ${kind ?? 'sound'}`)
  return url
}

const get = (url: string, init: RequestInit = {}): Promise<Response> =>
  fetch(url, { redirect: 'manual', ...init })

describe('the book site', () => {
  it('has 1,000 different pages, 60 of them works and the others editions of them', async () => {
    const { books, urls, url } = await start()
    expect(new Set(urls).size).toBe(1000)
    expect(urls.every((each) => each.startsWith(`${url}/book/show/`))).toBe(true)
    expect(new Set(books.slice(0, 60).map(({ title }) => title)).size).toBe(60)
    expect(new Set(books.slice(0, 60).map(({ description }) => description)).size).toBe(60)
    const first = new Map(books.slice(0, 60).map(({ author, title }) => [title, author]))
    for (const { title, author } of books.slice(60)) {
      expect(first.get(title.replace(/ \([^)]*\)$/, ''))).toBe(author)
    }
  })

  it('is the same for the same seed and another for another', async () => {
    const [one, same, other] = [await start({ seed: 7 }), await start({ seed: 7 }), await start({ seed: 8 })]
    expect(same.books).toEqual(one.books)
    expect([...same.troubles]).toEqual([...one.troubles])
    expect([...other.troubles.keys()]).not.toEqual([...one.troubles.keys()])
    expect(other.books).not.toEqual(one.books)
  })

  it('gives as many pages each trouble as its table and the README say', async () => {
    const site = await start()
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const { kind, perThousand, what } of TROUBLES) {
      expect([...site.troubles.values()].filter((trouble) => trouble.kind === kind)).toHaveLength(perThousand)
      expect(readme).toContain(`| ${perThousand} | ${what} |`)
    }
  })

  it('lists every page on its front page', async () => {
    const site = await start()
    const html = await (await get(site.url)).text()
    for (const url of site.urls) expect(html).toContain(`href="${url.slice(site.url.length)}"`)
  })

  it('answers 503 twice, 429 once, half a page once, and then the page', async () => {
    const site = await start()
    const statuses = async (url: string): Promise<number[]> => [
      (await get(url)).status,
      (await get(url)).status,
      (await get(url)).status,
    ]
    expect(await statuses(urlWith(site, 'flaky'))).toEqual([503, 503, 200])
    const throttled = urlWith(site, 'throttled')
    expect((await get(throttled)).headers.get('retry-after')).toBe('1')
    expect(await statuses(throttled)).toEqual([200, 200, 200])
    const cut = urlWith(site, 'cut')
    expect(await (await get(cut)).text()).not.toContain('<title>')
    expect(await (await get(cut)).text()).toContain('</html>')
  })

  it('answers what never gets better with 500, 404 or a page of no use', async () => {
    const site = await start()
    expect((await get(urlWith(site, 'broken'))).status).toBe(500)
    expect((await get(urlWith(site, 'missing'))).status).toBe(404)
    expect((await get(`${site.url}/book/show/1001-none`)).status).toBe(404)
    expect((await get(`${site.url}/book/show/1/../../admin`)).status).toBe(404)
    expect(await (await get(urlWith(site, 'untitled'))).text()).not.toMatch(/<h1[^>]*>[^<]/)
    expect((await (await get(urlWith(site, 'oversized'))).text()).length).toBeGreaterThan(4_000_000)
  })

  it('redirects to the slug, in a circle, and to another origin', async () => {
    const site = await start()
    const moved = await get(urlWith(site, 'moved'))
    expect([301, 302]).toContain(moved.status)
    expect((await get(site.url + moved.headers.get('location'))).status).toBe(200)

    const loop = urlWith(site, 'loop')
    const there = (await get(loop)).headers.get('location')
    const back = (await get(site.url + there)).headers.get('location')
    expect(site.url + back).toBe(loop)

    const elsewhere = (await get(urlWith(site, 'elsewhere'))).headers.get('location')
    expect(elsewhere).toMatch(/^http:\/\/elsewhere\.invalid\//)
  })

  it('leaves a request to the silent page open, also when it closes', async () => {
    const site = await start()
    const pending = get(urlWith(site, 'silent')).then(
      () => 'answered',
      () => 'cut off',
    )
    // The front page is asked for after the silent one and comes back, so the silent one had its chance.
    await (await get(site.url)).text()
    await site.close()
    open.splice(open.indexOf(site), 1)
    expect(await pending).toBe('cut off')
  })

  it('takes another port where the one it wants is in use', async () => {
    const first = await start()
    const second = await start({ port: first.port })
    expect(second.port).not.toBe(first.port)
    expect((await get(second.url)).status).toBe(200)
  })
})
