// What the example knows of a book: the answer of the parser, the row of the store, the reply of the service.

/** A book as its page tells it. Null stands for what the page does not say. */
export interface BookInfo {
  title: string
  author: string | null
  /** The average of the ratings, 0 to 5. */
  rating: number | null
  ratings: number | null
  description: string | null
  pages: number | null
  /** The year of publication. */
  year: number | null
  genres: string[]
}
