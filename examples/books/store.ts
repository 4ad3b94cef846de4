// The example's own table of books, in SQLite. It belongs to the application: Offstage knows nothing of it.
// better-sqlite3 is used where it is installed, else the engine inside newer versions of Node; both are called alike.
import { createRequire } from 'node:module'
import type { BookInfo } from './book.ts'

/** A parsed book and when it was last parsed. */
export interface StoredBook extends BookInfo {
  url: string
  /** Epoch milliseconds. */
  parsedAt: number
}

/** The table of books. */
export interface BookStore {
  /** Writes a book over what was known of its URL, so that parsing a page twice is harmless. */
  save(url: string, book: BookInfo): void
  /** What is known of a URL. */
  find(url: string): StoredBook | undefined
  count(): number
  close(): void
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS books (
    url         TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    author      TEXT,
    rating      REAL,
    ratings     INTEGER,
    description TEXT,
    pages       INTEGER,
    year        INTEGER,
    genres      TEXT NOT NULL,    -- a JSON array
    parsed_at   INTEGER NOT NULL  -- epoch milliseconds
  ) STRICT`

const SAVE = `
  INSERT INTO books (url, title, author, rating, ratings, description, pages, year, genres, parsed_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (url) DO UPDATE SET
    title = excluded.title, author = excluded.author, rating = excluded.rating, ratings = excluded.ratings,
    description = excluded.description, pages = excluded.pages, year = excluded.year, genres = excluded.genres,
    parsed_at = excluded.parsed_at`

const FIND = `
  SELECT url, title, author, rating, ratings, description, pages, year, genres, parsed_at AS parsedAt
  FROM books WHERE url = ?`

/** Opens the table in a file, which is made where it is missing, or in `:memory:`. */
export function openBookStore(path: string): BookStore {
  const database = openDatabase(path)
  database.exec(SCHEMA)
  const saveRow = database.prepare(SAVE)
  const findRow = database.prepare(FIND)
  const countRows = database.prepare('SELECT count(*) AS count FROM books')
  return {
    save(url, book) {
      const { title, author, rating, ratings, description, pages, year } = book
      const genres = JSON.stringify(book.genres)
      saveRow.run(url, title, author, rating, ratings, description, pages, year, genres, Date.now())
    },
    find(url) {
      const row = findRow.get(url) as BookRow | undefined
      return row === undefined ? undefined : { ...row, genres: JSON.parse(row.genres) }
    },
    count: () => (countRows.get() as { count: number }).count,
    close: () => database.close(),
  }
}

let shared: BookStore | undefined

/** The table that the tasks of this process write to: the file named by BOOKS_DB, opened when first asked for. */
export function bookStore(): BookStore {
  shared ??= openBookStore(process.env.BOOKS_DB ?? 'books.db')
  return shared
}

/** Closes the table of this process, if it was opened. */
export function closeBookStore(): void {
  shared?.close()
  shared = undefined
}

type BookRow = Omit<StoredBook, 'genres'> & { genres: string }
type SqlValue = string | number | null

/** The few calls that both engines have in common. */
interface Database {
  exec(sql: string): unknown
  prepare(sql: string): { run(...values: SqlValue[]): unknown; get(...values: SqlValue[]): unknown }
  close(): void
}

type DatabaseClass = new (path: string) => Database

function openDatabase(path: string): Database {
  const require = createRequire(import.meta.url)
  try {
    const BetterSqlite: DatabaseClass = require('better-sqlite3')
    return new BetterSqlite(path)
  } catch (error) {
    // The package may be missing, or lack its binary for this machine. A bad path fails in either engine.
    const builtIn = process.getBuiltinModule('node:sqlite') as { DatabaseSync: DatabaseClass } | undefined
    if (builtIn === undefined) throw error
    return new builtIn.DatabaseSync(path)
  }
}
