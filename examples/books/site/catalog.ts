// The thousand books of the site: sixty real ones, described in data/books.json, and seeded editions of them.
import { readFileSync } from 'node:fs'
import { between, pick, type Random, seededRandom } from './random.ts'

/** One page of the site. */
export interface CatalogBook {
  id: number
  /** The last part of its address, such as `1-pride-and-prejudice`. */
  slug: string
  title: string
  author: string
  description: string
  genres: string[]
  pages: number
  /** The average of the ratings, 0 to 5. */
  rating: number
  ratings: number
  /** The year this edition came out. */
  year: number
  publisher: string
  format: string
  language: string
}

/** What data/books.json holds of each book. Its ratings are made up for this example. */
interface Work {
  title: string
  author: string
  year: number
  pages: number
  genres: string[]
  rating: number
  ratings: number
  description: string
}

const PUBLISHERS = [
  'Harbour Lane Press',
  'Old Mill Editions',
  'Blue Lantern Books',
  'Quarto & Daughters',
  'Northern Shelf',
  'The Pocket Library',
  'Juniper House',
  'Seven Bridges',
] as const
const FORMATS = ['Paperback', 'Hardcover', 'Ebook', 'Audiobook', 'Large print'] as const
const LANGUAGES = ['English', 'English', 'English', 'German', 'French', 'Spanish', 'Italian'] as const
const KINDS = [
  { name: 'Illustrated Edition', adds: 'adds drawings to every chapter' },
  { name: 'Annotated Edition', adds: 'explains names, places and customs in the margin' },
  { name: 'School Edition', adds: 'comes with questions for reading in class' },
  { name: 'Pocket Edition', adds: 'fits into a coat pocket' },
  { name: 'Anniversary Edition', adds: 'opens with a new introduction' },
  { name: 'Collected Edition', adds: 'belongs to a set of the same author in one binding' },
] as const

/** Makes the pages with the ids 1 to `pages`. The same seed always makes the same ones. */
export function makeCatalog(seed: number, pages: number): CatalogBook[] {
  const works = readWorks()
  const random = seededRandom(seed)
  return Array.from({ length: pages }, (_, index) => {
    const work = works[index % works.length]
    if (work === undefined) throw new Error('data/books.json holds no books')
    const id = index + 1
    return index < works.length ? firstEdition(id, work) : laterEdition(id, work, random)
  })
}

function firstEdition(id: number, work: Work): CatalogBook {
  const edition = { publisher: 'First edition', format: 'Hardcover', language: 'Original language' }
  return { id, slug: slugOf(id, work.title), ...work, ...edition }
}

function laterEdition(id: number, work: Work, random: Random): CatalogBook {
  const kind = pick(random, KINDS)
  const publisher = pick(random, PUBLISHERS)
  const format = pick(random, FORMATS)
  const language = pick(random, LANGUAGES)
  const year = between(random, 1950, 2024)
  const title = `${work.title} (${kind.name})`
  return {
    id,
    slug: slugOf(id, title),
    title,
    author: work.author,
    description: `${work.description} This edition by ${publisher} (${year}, ${language}) ${kind.adds}.`,
    genres: work.genres,
    pages: Math.max(40, work.pages + between(random, -30, 60)),
    rating: Math.round(Math.min(5, work.rating + (random() - 0.5) * 0.6) * 100) / 100,
    ratings: between(random, 12, 4000),
    year,
    publisher,
    format,
    language,
  }
}

function slugOf(id: number, title: string): string {
  const words = title
    .normalize('NFD')
    .replace(/[\u0300-\u036f']/g, '') // accents and apostrophes vanish, so that "d'Urbervilles" stays one word
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  return `${id}-${words}`
}

function readWorks(): Work[] {
  return JSON.parse(readFileSync(new URL('../data/books.json', import.meta.url), 'utf8'))
}
