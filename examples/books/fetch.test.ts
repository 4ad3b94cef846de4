import { createServer, type RequestListener, type Server } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { type FetchOptions, fetchPage } from './fetch.ts'
import { closeServer, listen } from './listen.ts'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await closeServer(server)
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  return `http://127.0.0.1:${await listen(server, 0)}`
}

async function thrownBy(url: string, options?: FetchOptions): Promise<Error> {
  try {
    await fetchPage(url, options)
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}

const html = { 'content-type': 'text/html' }

describe('fetchPage', () => {
  it('answers the page behind redirects on the same origin', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/new') response.writeHead(200, html).end('<p>grüße')
      else response.writeHead(302, { location: 'new' }).end()
    })
    expect(await fetchPage(`${url}/old`)).toBe('<p>grüße')
  })

  it.each([
    [404, 'NON_RETRYABLE'],
    [403, 'NON_RETRYABLE'],
    [408, undefined],
    [429, undefined],
    [500, undefined],
    [503, undefined],
  ])('tells by status %i whether to try again', async (status, code) => {
    const url = await serve((_, response) => response.writeHead(status, html).end())
    const error = await thrownBy(url)
    expect(error.message).toBe(`the site answered ${status}`)
    expect('code' in error ? error.code : undefined).toBe(code)
  })

  it.each([
    ['3', 3000],
    ['999999', 600_000],
    [new Date(0).toUTCString(), 0],
  ])('waits as long as Retry-After: %s says, ten minutes at most', async (header, delay) => {
    const url = await serve((_, response) => response.writeHead(503, { 'retry-after': header }).end())
    expect(await thrownBy(url)).toMatchObject({ code: 'RETRY_AFTER', delay })
  })

  it('leaves a Retry-After that says nothing to the policy of the task', async () => {
    const url = await serve((_, response) => response.writeHead(503, { 'retry-after': 'soon' }).end())
    expect(await thrownBy(url)).not.toHaveProperty('code')
  })

  it('follows no redirect to another origin and no circle', async () => {
    let visits = 0
    const inside = await serve((_, response) => {
      visits += 1
      response.writeHead(200, html).end('secret')
    })
    const outside = await serve((_, response) => response.writeHead(302, { location: inside }).end())
    const circle = await serve((_, response) => response.writeHead(302, { location: '/' }).end())
    expect(await thrownBy(outside)).toMatchObject({
      code: 'NON_RETRYABLE',
      message: 'a redirect to another origin',
    })
    expect(visits).toBe(0)
    expect(await thrownBy(circle)).toMatchObject({ code: 'NON_RETRYABLE', message: 'more than 5 redirects' })
  })

  it('stops receiving a page that is too large, and refuses what is no page', async () => {
    const endless = await serve((_, response) => {
      response.writeHead(200, html)
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    const image = await serve((_, response) =>
      response.writeHead(200, { 'content-type': 'image/png' }).end('x'),
    )
    expect(await thrownBy(endless)).toMatchObject({
      code: 'NON_RETRYABLE',
      message: 'the page is larger than 1048576 bytes',
    })
    expect(await thrownBy(image)).toMatchObject({
      code: 'NON_RETRYABLE',
      message: 'not a page but image/png',
    })
  })

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController()
    const url = await serve(() => controller.abort(new Error('out of time')))
    expect(await thrownBy(url, { signal: controller.signal })).toMatchObject({ message: 'out of time' })
  })
})
