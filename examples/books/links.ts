// Which URLs the service takes. A URL is read as fetch will read it and compared in parts, never as text: as text
// `http://books.example@evil.example/` starts with the allowed origin, and `/book/show/../../admin` with the path.

/** Says whether a URL starts with one of the allowed origins, and what its normal form is. */
export interface LinkFilter {
  /**
   * The URL that names the book, or undefined where it is not allowed. Query and fragment are dropped: on a book page
   * they hold where the reader came from, and two of them would make two jobs of one book.
   */
  normalise(text: string): string | undefined
}

/** Job ids have at most 512 bytes, and the URL is the id. A parsed URL is ASCII, so its length is its bytes. */
const MAX_LENGTH = 512

/**
 * Makes the filter. Each prefix is an origin and a path that ends in a slash, as in `http://books.example/book/show/`.
 * Throws a TypeError for one that is not.
 */
export function linkFilter(prefixes: readonly string[]): LinkFilter {
  const allowed = prefixes.map(readPrefix)
  return {
    normalise(text) {
      if (!URL.canParse(text)) return undefined
      const url = new URL(text)
      if (url.username !== '' || url.password !== '') return undefined
      // Some servers decode these into slashes, and the path would then be another than the one that was compared.
      if (/%2f|%5c/i.test(url.pathname)) return undefined
      const fits = allowed.some(
        (prefix) =>
          url.origin === prefix.origin &&
          url.pathname.startsWith(prefix.pathname) &&
          url.pathname.length > prefix.pathname.length,
      )
      const normal = url.origin + url.pathname
      return fits && normal.length <= MAX_LENGTH ? normal : undefined
    },
  }
}

function readPrefix(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === undefined || !isWeb || !url.pathname.endsWith('/') || url.search !== '' || url.hash !== '') {
    throw new TypeError(`'${text}' is no allowed origin: write http(s), host and a path that ends in a slash`)
  }
  return url
}
