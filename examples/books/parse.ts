// Reads a book page. schema.org JSON-LD comes first, since it is made for machines; what it lacks, or all of it where it
// does not parse, is taken from the markup.
import { type CheerioAPI, load } from 'cheerio'
import { NonRetryable } from 'offstage'
import type { BookInfo } from './book.ts'

/**
 * Answers the book of a page. A page that ends too early throws a plain Error, since the rest may come next time; a
 * complete page without a title throws NonRetryable.
 */
export function parseBookPage(html: string): BookInfo {
  const $ = load(html)
  const linked = readLinkedBook(findLinkedBook($))
  const found = isWhole(linked) ? linked : fillIn(linked, readMarkup($))
  const { title, author, rating, ratings, description, pages, year, genres } = found
  if (title === undefined) {
    if (!/<\/html\s*>/i.test(html)) throw new Error('the page ends too early')
    throw new NonRetryable('the page has no title')
  }
  return {
    title,
    author: author ?? null,
    rating: rating ?? null,
    ratings: ratings ?? null,
    description: description ?? null,
    pages: pages ?? null,
    year: year ?? null,
    genres: genres ?? [],
  }
}

/** What one of the two sources says; undefined stands for what it does not. */
type Found = { [K in keyof BookInfo]: NonNullable<BookInfo[K]> | undefined }
type JsonObject = Record<string, unknown>

/** Searching the markup costs more than reading the data, so it is left out where nothing is missing. */
function isWhole(found: Found): boolean {
  return Object.values(found).every((value) => value !== undefined)
}

function fillIn(first: Found, second: Found): Found {
  return {
    title: first.title ?? second.title,
    author: first.author ?? second.author,
    rating: first.rating ?? second.rating,
    ratings: first.ratings ?? second.ratings,
    description: first.description ?? second.description,
    pages: first.pages ?? second.pages,
    year: first.year ?? second.year,
    genres: first.genres ?? second.genres,
  }
}

// ── JSON-LD ──────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The first object of type Book in any of the page's JSON-LD scripts, or an empty one. Scripts that do not parse are
 * passed over.
 */
function findLinkedBook($: CheerioAPI): JsonObject {
  for (const script of $('script[type="application/ld+json"]').toArray()) {
    const candidates = objectsIn(parseJson($(script).text()))
    const book = candidates.find((candidate) => asArray(candidate['@type']).includes('Book'))
    if (book !== undefined) return book
  }
  return {}
}

/** The value may be one object, a list of them, or one with a list in `@graph`. */
function objectsIn(value: unknown): JsonObject[] {
  return asArray(value)
    .filter(isObject)
    .flatMap((item) => [item, ...asArray(item['@graph']).filter(isObject)])
}

function readLinkedBook(data: JsonObject): Found {
  const rating = isObject(data.aggregateRating) ? data.aggregateRating : {}
  const authors = asArray(data.author).flatMap(
    (author) => textOf(isObject(author) ? author.name : author) ?? [],
  )
  const genres = asArray(data.genre).flatMap((genre) => textOf(genre) ?? [])
  return {
    title: textOf(data.name),
    author: authors.length > 0 ? authors.join(', ') : undefined,
    rating: ratingOf(rating.ratingValue),
    ratings: countOf(rating.ratingCount),
    description: textOf(data.description),
    pages: countOf(data.numberOfPages),
    year: countOf(textOf(data.datePublished)?.match(/^\d{4}/)?.[0]),
    genres: genres.length > 0 ? genres : undefined,
  }
}

// ── markup ───────────────────────────────────────────────────────────────────────────────────────────────────────

function readMarkup($: CheerioAPI): Found {
  const text = (selector: string): string | undefined => textOf($(selector).first().text())
  const genres = $('[data-testid="genresList"] .Button__labelItem')
    .toArray()
    .flatMap((label) => textOf($(label).contents().first().text()) ?? [])
  return {
    // Where a heading was never closed, everything after it is inside it: only its own first text is the title.
    title: textOf($('[data-testid="bookTitle"]').first().contents().first().text()),
    author: text('.ContributorLink__name'),
    rating: ratingOf(firstNumber($('.RatingStatistics__rating').first().contents().first().text())),
    ratings: countOf(firstNumber(text('[data-testid="ratingsCount"]'))),
    description: text('[data-testid="description"]'),
    pages: countOf(firstNumber(text('[data-testid="pagesFormat"]'))),
    year: countOf(text('[data-testid="publicationInfo"]')?.match(/\b\d{4}\b/)?.[0]),
    genres: genres.length > 0 ? genres : undefined,
  }
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Broken JSON-LD is common, and the markup holds the same facts.
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asArray(value: unknown): unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

/** Text with its white space folded, or undefined where there is none. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.replace(/\s+/g, ' ').trim()
  return text === '' ? undefined : text
}

/** The first number in `1,204 ratings`. */
function firstNumber(text: string | undefined): string | undefined {
  return text?.match(/\d[\d,]*(?:\.\d+)?/)?.[0].replaceAll(',', '')
}

function numberOf(value: unknown): number | undefined {
  const isNumeric = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
  const number = isNumeric ? Number(value) : Number.NaN
  return Number.isFinite(number) ? number : undefined
}

function ratingOf(value: unknown): number | undefined {
  const rating = numberOf(value)
  return rating !== undefined && rating >= 0 && rating <= 5 ? rating : undefined
}

function countOf(value: unknown): number | undefined {
  const count = numberOf(value)
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 ? count : undefined
}
