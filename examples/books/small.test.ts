import { describe, expect, it } from 'vitest'
import type { BookInfo } from './book.ts'
import { readOptions } from './options.ts'
import { quantile } from './probe.ts'
import { showProgress } from './progress.ts'
import { openBookStore } from './store.ts'
import { formatSummary } from './summary.ts'

const book: BookInfo = {
  title: 'Emma',
  author: 'Jane Austen',
  rating: 4.06,
  ratings: 12,
  description: null,
  pages: 474,
  year: 1815,
  genres: ['Classics'],
}

describe('the store', () => {
  it('keeps one row a URL, the latest', () => {
    const store = openBookStore(':memory:')
    store.save('http://a/1', book)
    store.save('http://a/1', { ...book, rating: null })
    store.save('http://a/2', book)
    expect(store.count()).toBe(2)
    expect(store.find('http://a/1')).toEqual({
      ...book,
      rating: null,
      url: 'http://a/1',
      parsedAt: expect.any(Number),
    })
    expect(store.find('http://a/3')).toBeUndefined()
    store.close()
  })
})

describe('readOptions', () => {
  it('has defaults and reads what is given', () => {
    expect(readOptions([])).toMatchObject({
      once: false,
      port: 3000,
      concurrency: 20,
      books: 1000,
      keep: false,
    })
    expect(readOptions(['--once', '--books', '20', '--broker', 'sqlite:./a.db'])).toMatchObject({
      once: true,
      books: 20,
      broker: 'sqlite:./a.db',
    })
  })

  it.each([
    [['--books', '0'], /--books is '0'/],
    [['--books', '1e3'], /--books is '1e3'/],
    [['--port', '65535'], /--port is '65535'/],
    [['--concurrency', 'many'], /--concurrency is 'many'/],
    [['--broker', 'memory:'], /one that several can use/],
    [['--wrong'], /--wrong/],
    [['more'], /more/],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message)
  })
})

describe('showProgress', () => {
  it('writes a plain line at most once a second, and the last one always', () => {
    let text = ''
    let now = 0
    const progress = showProgress({ write: (part) => (text += part) }, 3000, () => now)
    progress.update(1)
    progress.update(2)
    now = 1000
    progress.update(1500)
    progress.update(3000)
    progress.end()
    expect(text).toBe('1 of 3,000 books done\n1,500 of 3,000 books done\n3,000 of 3,000 books done\n')
  })

  it('redraws one line on a terminal', () => {
    let text = ''
    const progress = showProgress({ isTTY: true, write: (part) => (text += part) }, 4)
    progress.update(2)
    progress.update(4)
    progress.end()
    expect(text.split('\r')).toHaveLength(3)
    expect(text).toContain(`[${'='.repeat(20)}${' '.repeat(20)}]  50 %  2 of 4 books`)
    expect(text.endsWith('100 %  4 of 4 books \n')).toBe(true)
  })
})

describe('the summary', () => {
  it('groups the reasons, most frequent first', () => {
    const outcome = {
      succeeded: 995,
      failed: 5,
      retried: 7,
      extraAttempts: 20,
      reasons: new Map([
        ['gone', 1],
        ['broken', 4],
      ]),
    }
    const probe = { requests: 100, failed: 0, p50Ms: 1.24, p99Ms: 9.96 }
    const text = formatSummary({ total: 1000, tookMs: 4000, outcome, probe })
    expect(text).toContain('books parsed   995 of 1,000')
    expect(text).toContain('retried        7 (attempts beyond the first: 20)')
    expect(text).toMatch(/4 × broken\n +1 × gone/)
    expect(text).toContain('4.0 s, 250 jobs a second')
    expect(text).toContain('p99 10.0 ms, p50 1.2 ms over 100 requests meanwhile')
  })

  it('takes quantiles of a sorted list', () => {
    const sorted = Array.from({ length: 200 }, (_, index) => index + 1)
    expect([quantile(sorted, 0.5), quantile(sorted, 0.99), quantile([], 0.99)]).toEqual([100, 198, 0])
  })
})
