// The bundled book site: a thousand pages on a port of their own that stand in for the internet, troubles included.
// The path of a request is: find the page by its id, give it its trouble if it has one, else print it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeServer, listen } from '../listen.ts'
import { type CatalogBook, makeCatalog } from './catalog.ts'
import { bookPage, indexPage, malformedPage, untitledPage } from './render.ts'
import { dealTroubles, type Trouble } from './troubles.ts'

/** How to start a site. */
export interface SiteOptions {
  /** The port to try first; where it is taken, any free one is used. Default 0, which asks for a free one. */
  port?: number | undefined
  /** Makes the editions and deals out the troubles. Default `DEFAULT_SEED`. */
  seed?: number | undefined
  /** How many books there are. Default 1,000. */
  pages?: number | undefined
}

/** What is on a site. The same seed and number of pages make the same site. */
export interface SiteDescription {
  /** The origin, such as `http://127.0.0.1:3001`. */
  url: string
  /** The address of every page, in order of its id. */
  urls: readonly string[]
  books: readonly CatalogBook[]
  /** The trouble of a page by its id; a page that is not here has none. */
  troubles: ReadonlyMap<number, Trouble>
}

/** A site that runs. */
export interface Site extends SiteDescription {
  port: number
  /** Ends all connections, those that wait for the silent page too. */
  close(): Promise<void>
}

/** With this one most kinds of trouble are among the first twenty pages, and the page that takes longest comes early. */
const DEFAULT_SEED = 23
const OVERSIZED_BYTES = 4 * 1024 * 1024

/** What a site with this origin has on it. */
export function describeSite(url: string, options: SiteOptions = {}): SiteDescription {
  const { seed = DEFAULT_SEED, pages = 1000 } = options
  const books = makeCatalog(seed, pages)
  const troubles = dealTroubles(seed, pages)
  return { url, urls: books.map((book) => url + pathOf(book, troubles.get(book.id))), books, troubles }
}

/** Starts the site. How often a page has failed already is kept in memory, so a new site fails anew. */
export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const failed = new Map<number, number>()

  const server = createServer((request, response) => {
    // A client that hangs up while a slow page waits is no error of the site.
    answer(request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    )
  })
  const port = await listen(server, options.port ?? 0)
  const origin = `http://127.0.0.1:${port}`
  const site = describeSite(origin, options)
  const { books, troubles } = site
  const paths = site.urls.map((address) => new URL(address).pathname)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', origin)
    if (pathname === '/') return sendHtml(response, 200, indexPage(paths))
    const id = Number(/^\/book\/show\/(\d+)(?:-[a-z0-9-]*)?$/.exec(pathname)?.[1])
    const book = books[id - 1]
    if (book === undefined) return sendHtml(response, 404, '<title>Not found</title>')
    const trouble = troubles.get(id)
    if (trouble !== undefined && (await giveTrouble({ book, trouble, pathname, response }))) return
    sendHtml(response, 200, bookPage(book, origin + slugPath(book)))
  }

  /** Answers true where the trouble was the answer, and false where the page is to be sent as usual. */
  async function giveTrouble(visit: Visit): Promise<boolean> {
    const { book, trouble, response } = visit
    const before = failed.get(book.id) ?? 0
    if (before < trouble.failures) {
      failed.set(book.id, before + 1)
      failOnce(visit, origin)
      return true
    }
    if (trouble.kind === 'slow') await sleep(trouble.delayMs)
    if (trouble.kind === 'silent') return true
    return giveLastingTrouble(visit, response)
  }

  return { ...site, port, close: () => closeServer(server) }
}

interface Visit {
  book: CatalogBook
  trouble: Trouble
  pathname: string
  response: ServerResponse
}

/** What a page does that will work when it is asked again. */
function failOnce({ book, trouble, response }: Visit, origin: string): void {
  if (trouble.kind === 'throttled') {
    response.setHeader('retry-after', '1')
    sendHtml(response, 429, '<title>Too many requests</title>')
  } else if (trouble.kind === 'cut') {
    const page = bookPage(book, origin + slugPath(book))
    sendHtml(response, 200, page.slice(0, page.indexOf('<title>')))
  } else {
    sendHtml(response, 503, '<title>Service unavailable</title>')
  }
}

function giveLastingTrouble({ book, trouble, pathname }: Visit, response: ServerResponse): boolean {
  switch (trouble.kind) {
    case 'malformed':
      sendHtml(response, 200, malformedPage(book))
      return true
    case 'untitled':
      sendHtml(response, 200, untitledPage())
      return true
    case 'broken':
      sendHtml(response, 500, '<title>Internal server error</title>')
      return true
    case 'missing':
      sendHtml(response, 404, '<title>Not found</title>')
      return true
    case 'oversized':
      sendHtml(response, 200, `<title>${book.id}</title>${'<p>and so on</p>'.padEnd(OVERSIZED_BYTES, ' ')}`)
      return true
    case 'elsewhere':
      redirect(response, 302, `http://elsewhere.invalid${pathname}`)
      return true
    case 'loop':
      redirect(response, 302, pathname.endsWith('-again') ? slugPath(book) : `${slugPath(book)}-again`)
      return true
    case 'moved':
      if (pathname === slugPath(book)) return false
      redirect(response, book.id % 2 === 0 ? 301 : 302, slugPath(book))
      return true
    default:
      return false
  }
}

/** The address that the site hands out. Pages that have moved are still listed by their old one, without a slug. */
function pathOf(book: CatalogBook, trouble: Trouble | undefined): string {
  return trouble?.kind === 'moved' ? `/book/show/${book.id}` : slugPath(book)
}

function slugPath(book: CatalogBook): string {
  return `/book/show/${book.slug}`
}

function redirect(response: ServerResponse, status: number, location: string): void {
  response.setHeader('location', location)
  sendHtml(response, status, '<title>Moved</title>')
}

function sendHtml(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
  response.end(html)
}
