import { describe, expect, it } from 'vitest'
import { linkFilter } from './links.ts'

const { normalise } = linkFilter(['http://books.example/book/show/', 'https://www.other.example/b/'])

describe('linkFilter', () => {
  it.each([
    ['http://books.example/book/show/1-a', 'http://books.example/book/show/1-a'],
    ['http://books.example:80/book/show/1-a', 'http://books.example/book/show/1-a'],
    ['HTTP://BOOKS.example/book/show/1-A', 'http://books.example/book/show/1-A'],
    ['http://books.example/book/show/1-a?from=search&x=1#reviews', 'http://books.example/book/show/1-a'],
    ['http://books.example/book/x/../show/1-a', 'http://books.example/book/show/1-a'],
    ['https://www.other.example/b/9', 'https://www.other.example/b/9'],
  ])('takes %s', (text, normal) => {
    expect(normalise(text)).toBe(normal)
  })

  it.each([
    'http://books.example@evil.example/book/show/1-a',
    'http://books.example:pass@books.example/book/show/1-a',
    'http://books.example.evil.example/book/show/1-a',
    'http://books.example:8080/book/show/1-a',
    'https://books.example/book/show/1-a',
    'http://books.example/book/show/',
    'http://books.example/book/show',
    'http://books.example/book/showcase/1',
    'http://books.example/book/show/../../admin',
    'http://books.example/book/show/%2e%2e/%2e%2e/admin',
    'http://books.example/book/show/..%2f..%2fadmin',
    'http://books.example/book/show/..%5cadmin',
    'http://evil.example/?http://books.example/book/show/1-a',
    `http://books.example/book/show/${'a'.repeat(600)}`,
    'javascript:alert(1)',
    'file:///etc/passwd',
    '/book/show/1-a',
    '',
  ])('ignores %s', (text) => {
    expect(normalise(text)).toBeUndefined()
  })

  it.each([
    'books.example',
    'http://books.example/book/show',
    'ftp://books.example/',
    'http://books.example/?q=',
  ])('refuses %s as an allowed origin', (prefix) => {
    expect(() => linkFilter([prefix])).toThrow(prefix)
  })
})
