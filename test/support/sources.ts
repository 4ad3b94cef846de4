// Reads TypeScript sources as far as the architecture test needs: what a file imports, and its code without
// comments and the contents of strings, so that neither prose nor templates count as code.

export interface Import {
  readonly specifier: string
  /** `import type` and `export type` leave nothing behind at run time. */
  readonly typeOnly: boolean
  /** `import('x')`, as an expression or as a type: not loaded with the module. */
  readonly dynamic: boolean
}

const STATIC_IMPORT =
  /\b(?:import|export)\s+(type\s+)?(?:[\w$]+\s*,?\s*)?(?:\{[^{}]*\}|\*(?:\s+as\s+[\w$]+)?)?\s*from\s*(?=['"])/g
const BARE_IMPORT = /\bimport\s*(?=['"])/g
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(?=['"`])/g

/** Every import and re-export of a source, in no particular order. */
export function importsOf(source: string): Import[] {
  const code = codeOnly(source)
  const found: Import[] = []
  const collect = (pattern: RegExp, dynamic: boolean): void => {
    for (const match of code.matchAll(pattern)) {
      const open = match.index + match[0].length
      const close = code.indexOf(code.charAt(open), open + 1)
      found.push({ specifier: source.slice(open + 1, close), typeOnly: match[1] !== undefined, dynamic })
    }
  }
  collect(STATIC_IMPORT, false)
  collect(BARE_IMPORT, false)
  collect(DYNAMIC_IMPORT, true)
  return found
}

/** The source with comments, strings, and regular expressions blanked: same length, same line breaks. */
export function codeOnly(source: string): string {
  const out: string[] = []
  const blank = (text: string): void => void out.push(text.replace(/[^\n]/g, ' '))
  // For each template that is open, how many braces are open inside its current `${`.
  const templates: number[] = []
  let at = 0
  while (at < source.length) {
    const rest = source.slice(at, at + 2)
    const char = source.charAt(at)
    const start = at
    if (rest === '//' || rest === '/*') {
      at = endOf(source, rest === '//' ? '\n' : '*/', at + 2, rest === '//' ? 0 : 2)
      blank(source.slice(start, at))
      continue
    }
    const depth = templates.at(-1)
    const resumes = char === '}' && depth === 0
    if (char === '`' || resumes) {
      if (resumes) templates.pop()
      at = endOfTemplatePart(source, at + 1)
      const opensBrace = source.charAt(at - 1) === '{'
      if (opensBrace) templates.push(0)
      out.push(char)
      blank(source.slice(start + 1, at - 1))
      out.push(source.charAt(at - 1))
      continue
    }
    if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1
    if (depth !== undefined && char === '}') templates[templates.length - 1] = depth - 1
    if (char === "'" || char === '"' || (char === '/' && startsRegExp(out))) {
      at = endOfQuoted(source, at)
      out.push(char)
      blank(source.slice(start + 1, at - 1))
      out.push(char)
      continue
    }
    out.push(char)
    at += 1
  }
  return out.join('')
}

function endOf(source: string, mark: string, from: number, extra: number): number {
  const found = source.indexOf(mark, from)
  return found === -1 ? source.length : found + extra
}

/** Just past the quote that closes the string (or the slash that closes the regular expression) opened at `open`. */
function endOfQuoted(source: string, open: number): number {
  const quote = source.charAt(open)
  let inClass = false
  for (let at = open + 1; at < source.length; at += 1) {
    const char = source.charAt(at)
    if (char === '\\') at += 1
    else if (char === '\n') return at
    else if (quote === '/' && char === '[') inClass = true
    else if (quote === '/' && char === ']') inClass = false
    else if (char === quote && !inClass) return at + 1
  }
  return source.length
}

/** Just past the backtick, or the `${`, that ends this part of a template. */
function endOfTemplatePart(source: string, from: number): number {
  for (let at = from; at < source.length; at += 1) {
    const char = source.charAt(at)
    if (char === '\\') at += 1
    else if (char === '`') return at + 1
    else if (char === '$' && source.charAt(at + 1) === '{') return at + 2
  }
  return source.length
}

// A slash divides after a value (a name, a number, a closing bracket), and starts a regular expression elsewhere.
function startsRegExp(out: readonly string[]): boolean {
  const before = out.slice(-200).join('').trimEnd()
  if (before === '') return true
  const word = /[\w$]+$/.exec(before)?.[0]
  if (word !== undefined)
    return /^(return|typeof|case|in|of|do|else|void|delete|yield|await|throw)$/.test(word)
  return !/[)\]}'"`]$/.test(before)
}
