// The HTML of the book site: markup in the manner of Goodreads, and the same facts as schema.org JSON-LD.
import type { CatalogBook } from './catalog.ts'

/** A well-formed page with both JSON-LD and markup. */
export function bookPage(book: CatalogBook, url: string): string {
  const title = escapeHtml(book.title)
  const author = escapeHtml(book.author)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title} by ${author} | The Bundled Bookshelf</title>
<link rel="canonical" href="${escapeHtml(url)}">
<script type="application/ld+json">${jsonForScript(linkedData(book, url))}</script>
</head>
<body>
<nav><a href="/">The Bundled Bookshelf</a></nav>
<main class="BookPage">
<div class="BookPageTitleSection"><h1 class="Text Text__title1" data-testid="bookTitle">${title}</h1></div>
<div class="ContributorLinksList"><a class="ContributorLink" href="/author/${encodeURIComponent(book.author)}"><span class="ContributorLink__name" data-testid="name">${author}</span></a></div>
<div class="RatingStatistics"><div class="RatingStatistics__rating">${book.rating.toFixed(2)}</div><span data-testid="ratingsCount">${book.ratings.toLocaleString('en')} ratings</span></div>
<div data-testid="description"><span class="Formatted">${escapeHtml(book.description)}</span></div>
<div data-testid="genresList">${book.genres.map((genre) => `<a class="Button--tag" href="/genres/${encodeURIComponent(genre)}"><span class="Button__labelItem">${escapeHtml(genre)}</span></a>`).join('')}</div>
<div class="FeaturedDetails"><p data-testid="pagesFormat">${book.pages} pages, ${escapeHtml(book.format)}</p><p data-testid="publicationInfo">Published ${book.year} by ${escapeHtml(book.publisher)}</p></div>
</main>
<footer><p>Made for an example. The ratings are invented.</p></footer>
</body>
</html>
`
}

/** The same facts as a careless template prints them: tags left open, JSON-LD that stops half way. */
export function malformedPage(book: CatalogBook): string {
  const title = escapeHtml(book.title)
  const data = jsonForScript(linkedData(book, ''))
  return `<html><head><title>${title}
</title><script type="application/ld+json">${data.slice(0, data.length / 2)}</script>
<body><div class=BookPage><div><h1 data-testid=bookTitle>${title}
<div class=ContributorLinksList><a href=/author><span class="ContributorLink__name">${escapeHtml(book.author)}</a>
<div class="RatingStatistics"><div class="RatingStatistics__rating">${book.rating.toFixed(2)}<span data-testid="ratingsCount">${book.ratings} ratings
</div></h1><p><div data-testid="description"><b><span>${escapeHtml(book.description)}</b></div>
<p data-testid="pagesFormat">${book.pages} pages<p data-testid="publicationInfo">Published ${book.year}
<div data-testid="genresList">${book.genres.map((genre) => `<a><span class="Button__labelItem">${escapeHtml(genre)}</span>`).join('')}
</table></html>
`
}

/** A page that came out of its template without a book: complete, and of no use. */
export function untitledPage(): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title></title></head>
<body><main class="BookPage"><h1 data-testid="bookTitle"></h1><div data-testid="description"></div></main></body>
</html>
`
}

/** The front page: a link to each book. */
export function indexPage(paths: readonly string[]): string {
  const items = paths.map(
    (path) => `<li><a class="bookTitle" href="${escapeHtml(path)}">${escapeHtml(path)}</a></li>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The Bundled Bookshelf</title></head>
<body><h1>${paths.length} books</h1><ol>
${items.join('\n')}
</ol></body></html>
`
}

function linkedData(book: CatalogBook, url: string): object {
  return {
    '@context': 'https://schema.org',
    '@type': 'Book',
    url,
    name: book.title,
    author: [{ '@type': 'Person', name: book.author }],
    description: book.description,
    bookFormat: book.format,
    numberOfPages: book.pages,
    inLanguage: book.language,
    datePublished: String(book.year),
    genre: book.genres,
    publisher: { '@type': 'Organization', name: book.publisher },
    aggregateRating: { '@type': 'AggregateRating', ratingValue: book.rating, ratingCount: book.ratings },
  }
}

/** JSON inside a script element must not contain `</script>`. */
function jsonForScript(value: object): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
