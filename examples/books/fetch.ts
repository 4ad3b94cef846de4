// Gets a page the way a careful client does: with limits on redirects and size, and with errors that say whether
// trying again can help. A plain Error is retried, NonRetryable is not, RetryAfter waits as long as the site asks.
import { NonRetryable, RetryAfter } from 'offstage'

/** Bounds of one fetch. */
export interface FetchOptions {
  /** Ends the request; a handler passes on `ctx.signal`. */
  signal?: AbortSignal | undefined
  /** How many redirects are followed. Default 5. */
  maxRedirects?: number | undefined
  /** How large a page may be once it is decompressed. Default 1 MiB. */
  maxBytes?: number | undefined
}

const USER_AGENT = 'offstage-books-example/1.0'
const LONGEST_RETRY_AFTER_MS = 10 * 60_000

/**
 * Answers the HTML at a URL. Redirects are followed on the same origin only, so that no site can point the worker at an
 * address inside its own network.
 */
export async function fetchPage(url: string, options: FetchOptions = {}): Promise<string> {
  const { signal, maxRedirects = 5, maxBytes = 1024 * 1024 } = options
  let at = new URL(url)
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await fetch(at, {
      redirect: 'manual',
      headers: { 'user-agent': USER_AGENT, accept: 'text/html' },
      signal: signal ?? null,
    })
    if (isRedirect(response.status)) {
      await response.body?.cancel()
      at = redirectTarget(at, response.headers.get('location'))
      continue
    }
    if (response.ok) return await readHtml(response, maxBytes)
    await response.body?.cancel()
    throw refusal(response)
  }
  throw new NonRetryable(`more than ${maxRedirects} redirects`)
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status)
}

function redirectTarget(from: URL, location: string | null): URL {
  if (location === null || !URL.canParse(location, from.href)) {
    throw new NonRetryable('a redirect without a usable location')
  }
  const target = new URL(location, from.href)
  if (target.origin !== from.origin) throw new NonRetryable('a redirect to another origin')
  return target
}

async function readHtml(response: Response, maxBytes: number): Promise<string> {
  const type = response.headers.get('content-type') ?? 'nothing'
  if (!/^(text\/html|application\/xhtml\+xml)\b/i.test(type)) {
    await response.body?.cancel()
    throw new NonRetryable(`not a page but ${type}`)
  }
  const decoder = new TextDecoder()
  let html = ''
  let bytes = 0
  // Leaving the loop by an error cancels the body, so the rest of a page that is too large is never received.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new NonRetryable(`the page is larger than ${maxBytes} bytes`)
    html += decoder.decode(chunk, { stream: true })
  }
  return html + decoder.decode()
}

/** The error for an answer that is no page. */
function refusal(response: Response): Error {
  const message = `the site answered ${response.status}`
  const mayPass = response.status >= 500 || response.status === 408 || response.status === 429
  if (!mayPass) return new NonRetryable(message)
  const delayMs = retryAfterMs(response.headers.get('retry-after'))
  return delayMs === undefined ? new Error(message) : new RetryAfter(delayMs, message)
}

/** Reads `Retry-After`, which holds seconds or a date. At most ten minutes, whatever the site says. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const text = header.trim()
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  if (Number.isNaN(wait)) return undefined
  return Math.min(Math.max(0, wait), LONGEST_RETRY_AFTER_MS)
}
