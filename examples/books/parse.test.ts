import { describe, expect, it } from 'vitest'
import { parseBookPage } from './parse.ts'
import { makeCatalog } from './site/catalog.ts'
import { bookPage, malformedPage, untitledPage } from './site/render.ts'

const catalog = makeCatalog(1, 300)
const url = 'http://books.example/book/show/1-a'

function thrownBy(html: string): unknown {
  try {
    parseBookPage(html)
  } catch (error) {
    return error
  }
  throw new Error('the page was parsed')
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

describe('parseBookPage', () => {
  it.each([
    ['a well-formed page', (book: (typeof catalog)[number]) => bookPage(book, url)],
    ['a page whose JSON-LD is missing', (book) => bookPage(book, url).replace(/<script.*<\/script>/, '')],
    ['a page with JSON-LD only', (book) => bookPage(book, url).replace(/<main.*<\/main>/s, '')],
    ['a malformed page', malformedPage],
  ] satisfies [string, (book: (typeof catalog)[number]) => string][])(
    'reads every book of %s',
    (_, render) => {
      for (const book of catalog) {
        const { title, author, rating, ratings, description, pages, year, genres } = book
        expect(parseBookPage(render(book))).toEqual({
          title,
          author,
          rating,
          ratings,
          description,
          pages,
          year,
          genres,
        })
      }
    },
  )

  it('prefers JSON-LD where the two differ', () => {
    const html = `<script type="application/ld+json">{"@type":"Book","name":"From the data"}</script>
      <h1 data-testid="bookTitle">From the markup</h1><span class="ContributorLink__name">Ann</span></html>`
    expect(parseBookPage(html)).toMatchObject({
      title: 'From the data',
      author: 'Ann',
      rating: null,
      genres: [],
    })
  })

  it('finds the book in a graph, behind a script that does not parse, and joins several authors', () => {
    const html = `<script type="application/ld+json">{"@type":</script>
      <script type="application/ld+json">{"@graph":[{"@type":"WebPage","name":"No"},
      {"@type":["Thing","Book"],"name":" A  book ","author":[{"name":"Ann"},"Ben"],"datePublished":"1851-10-18"}]}</script></html>`
    expect(parseBookPage(html)).toMatchObject({ title: 'A book', author: 'Ann, Ben', year: 1851 })
  })

  it('takes no rating outside 0 to 5 and no negative count', () => {
    const html = `<script type="application/ld+json">{"@type":"Book","name":"A","numberOfPages":-3,
      "aggregateRating":{"ratingValue":"17","ratingCount":1.5}}</script></html>`
    expect(parseBookPage(html)).toMatchObject({ rating: null, ratings: null, pages: null })
  })

  it('tells a page without a title, which no retry mends, from one that ends too early', () => {
    const complete = thrownBy(untitledPage())
    expect(complete).toMatchObject({ message: 'the page has no title' })
    expect(codeOf(complete)).toBe('NON_RETRYABLE')

    for (const html of ['', '<!doctype html><html><head><meta charset="utf-8">']) {
      const cut = thrownBy(html)
      expect(cut).toMatchObject({ message: 'the page ends too early' })
      expect(codeOf(cut)).toBeUndefined()
    }
  })
})
