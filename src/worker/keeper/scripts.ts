// Where a call stands in the sources that a person knows: files instead of URLs, and through source maps where the
// scripts have some, as those that were compiled from TypeScript do.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What the inspector says of a script and of a call in it. Lines and columns count from 0. */
export interface ParsedScript {
  readonly scriptId: string
  readonly url: string
  readonly sourceMapURL?: string | undefined
}
export interface Call {
  readonly functionName: string
  readonly location: {
    readonly scriptId: string
    readonly lineNumber: number
    readonly columnNumber?: number | undefined
  }
}

interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** The folder of this library: what stands in it is nobody's own code. */
const LIBRARY = new URL('../../', import.meta.url).href

export class Scripts {
  readonly #scripts = new Map<string, ParsedScript>()

  add(script: ParsedScript): void {
    this.#scripts.set(script.scriptId, script)
  }

  /** `function (file:line:column)`, lines and columns from 1. */
  describe(call: Call): string {
    const { file, line, column } = this.#position(call)
    return `${call.functionName || '(anonymous)'} (${file}:${line}:${column})`
  }

  /** Whether a call is in code of the user's own: no part of Node, of an installed package, or of this library. */
  isOwn({ location }: Call): boolean {
    const url = this.#urlOf(location.scriptId)
    return !(
      url === '' ||
      url.startsWith('node:') ||
      url.includes('/node_modules/') ||
      url.startsWith(LIBRARY)
    )
  }

  #urlOf(scriptId: string): string {
    return this.#scripts.get(scriptId)?.url ?? ''
  }

  #position({ location }: Call): Position {
    const { scriptId, lineNumber, columnNumber = 0 } = location
    const url = this.#urlOf(scriptId)
    const given = { file: pathOf(url), line: lineNumber + 1, column: columnNumber + 1 }
    const map = this.#mapOf(scriptId)
    const entry = map?.findEntry(lineNumber, columnNumber)
    if (entry === undefined || !('originalSource' in entry)) return given
    return {
      file: sourceOf(entry.originalSource, url),
      line: entry.originalLine + 1,
      column: entry.originalColumn + 1,
    }
  }

  #mapOf(scriptId: string): SourceMap | undefined {
    const { url = '', sourceMapURL } = this.#scripts.get(scriptId) ?? {}
    if (sourceMapURL === undefined || sourceMapURL === '') return undefined
    try {
      return new SourceMap(JSON.parse(textOf(sourceMapURL, url)))
    } catch {
      // A map that is not there, or is none: the place in the script itself is as good as it gets.
      return undefined
    }
  }
}

function textOf(sourceMapUrl: string, scriptUrl: string): string {
  const inline = /^data:application\/json[^,]*?(;base64)?,(.*)$/s.exec(sourceMapUrl)
  if (inline === null) return readFileSync(new URL(sourceMapUrl, withProtocol(scriptUrl)), 'utf8')
  const [, base64, body = ''] = inline
  return base64 === undefined ? decodeURIComponent(body) : Buffer.from(body, 'base64').toString('utf8')
}

function sourceOf(source: string, scriptUrl: string): string {
  try {
    return pathOf(new URL(source, withProtocol(scriptUrl)).href)
  } catch {
    return source
  }
}

/** Scripts of CommonJS are named by path. */
function withProtocol(url: string): string {
  return url.startsWith('/') ? `file://${url}` : url
}

function pathOf(url: string): string {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url || '(no file)'
  } catch {
    return url
  }
}
