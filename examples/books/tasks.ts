// The slow work: fetch one book page, parse it, keep what it says.
import { z } from 'zod'
import { app } from './app.ts'
import { fetchPage } from './fetch.ts'
import { parseBookPage } from './parse.ts'
import { bookStore } from './store.ts'

/**
 * Runs at least once for each URL: a worker may die after saving and before it has said so. Saving by URL makes the
 * second run harmless.
 */
export const parseBook = app.task({
  name: 'parse-book',
  input: z.object({ url: z.url() }),
  queue: 'books',
  // Short, so that the example ends while one watches. Against a site that is not one's own, leave the default.
  retry: { attempts: 4, base: '100ms', max: '1s' },
  timeout: '1s',
  async run({ url }, ctx) {
    const html = await fetchPage(url, { signal: ctx.signal })
    const book = parseBookPage(html)
    bookStore().save(url, book)
    return book
  },
})
