// The rules of the house, as a function from sources to violations, so that the rules themselves can be tested.
import { posix } from 'node:path'
import { codeOnly, type Import, importsOf } from './sources.ts'

/** The rooms in order: a room imports only itself and rooms before it. */
const rooms: readonly string[] = [
  'errors',
  'runtime',
  'job',
  'broker',
  'brokers',
  'task',
  'client',
  'worker',
  'app',
  'observe',
  'dashboard',
  'http',
  'cli',
  'testing',
  'laws',
]

/** Rooms that may use timers and wall time of their own: the one talks to people, the other watches the rest. */
const freeOfClock: readonly string[] = ['cli', 'laws']

const CLOCK =
  /(?<![.\w$])(?:globalThis\.)?(?:setTimeout|setInterval)\b|\bDate\.now\b|\bnew\s+Date\b(?!\s*\(\s*[^\s)])/g

interface File {
  /** Relative to src, with forward slashes. */
  readonly path: string
  readonly folder: string
  readonly room: string
  readonly source: string
  readonly imports: readonly Import[]
}

/** Every break of the rules in `sources` (path relative to src to text), each as one line that says what to do. */
export function violations(sources: ReadonlyMap<string, string>): string[] {
  const files = [...sources]
    .filter(([path]) => path.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(path))
    .map(([path, source]) => read(path, source))
  return [
    ...files.flatMap(importsInOrder),
    ...files.flatMap(clockHandedIn),
    ...cyclesBetweenFolders(files),
    ...cyclesBetweenFiles(files),
  ]
}

function read(path: string, source: string): File {
  const folder = posix.dirname(path)
  return {
    path,
    folder,
    room: path.includes('/') ? (path.split('/')[0] ?? '') : '',
    source,
    imports: importsOf(source),
  }
}

function importsInOrder(file: File): string[] {
  const found: string[] = []
  if (file.room === '') {
    return file.path === 'index.ts' ? [] : [`${file.path}: only index.ts stands outside the rooms`]
  }
  if (!rooms.includes(file.room)) return [`${file.path}: "${file.room}" is not a room of the house`]
  for (const { specifier } of file.imports) {
    if (/^offstage(\/|$)/.test(specifier)) {
      found.push(
        `${file.path}: imports "${specifier}"; inside src, modules are imported by their relative path`,
      )
    }
    const target = targetOf(file, specifier)
    if (target === undefined) continue
    const room = target.includes('/') ? (target.split('/')[0] ?? '') : ''
    if (target.startsWith('..')) found.push(`${file.path}: imports "${specifier}", which lies outside src`)
    else if (room === '')
      found.push(`${file.path}: imports "${specifier}"; nothing inside imports the public index`)
    else if (!rooms.includes(room))
      found.push(`${file.path}: imports "${specifier}" from no room of the house`)
    else if (rooms.indexOf(room) > rooms.indexOf(file.room)) {
      found.push(
        `${file.path}: imports "${specifier}"; ${file.room} comes before ${room} and may not know it`,
      )
    }
    const own = brokerOf(file.path)
    const other = brokerOf(target)
    if (own !== undefined && other !== undefined && own !== other) {
      found.push(`${file.path}: imports "${specifier}"; brokers/${own} may not know brokers/${other}`)
    }
  }
  return found
}

function clockHandedIn(file: File): string[] {
  if (file.path === 'runtime/clock.ts' || freeOfClock.includes(file.room)) return []
  const code = codeOnly(file.source)
  const found = [...code.matchAll(CLOCK)].map((match) => {
    const line = code.slice(0, match.index).split('\n').length
    return `${file.path}:${line}: uses ${match[0]}; time comes from the clock in runtime/clock.ts`
  })
  for (const { specifier } of file.imports) {
    if (/^(node:)?timers(\/promises)?$/.test(specifier)) {
      found.push(`${file.path}: imports "${specifier}"; time comes from the clock in runtime/clock.ts`)
    }
  }
  return found
}

/** Types count here: two folders that need each other's types are one folder. A folder and its parent may. */
function cyclesBetweenFolders(files: readonly File[]): string[] {
  const graph = new Map<string, Set<string>>()
  for (const file of files) {
    for (const { specifier } of file.imports) {
      const target = targetOf(file, specifier)
      const folder = target === undefined ? undefined : posix.dirname(target)
      if (folder === undefined || folder === '.' || file.folder === '.' || related(file.folder, folder))
        continue
      graph.set(file.folder, (graph.get(file.folder) ?? new Set()).add(folder))
    }
  }
  return cycles(graph).map((cycle) => `folders import each other: ${cycle.join(' -> ')}`)
}

/** Only what is loaded with a module counts: types and lazy imports do no harm. */
function cyclesBetweenFiles(files: readonly File[]): string[] {
  const graph = new Map<string, Set<string>>()
  for (const file of files) {
    for (const { specifier, typeOnly, dynamic } of file.imports) {
      const target = targetOf(file, specifier)
      if (target === undefined || typeOnly || dynamic) continue
      graph.set(file.path, (graph.get(file.path) ?? new Set()).add(target))
    }
  }
  return cycles(graph).map((cycle) => `files import each other: ${cycle.join(' -> ')}`)
}

/** One cycle, as a closed path, for each back edge of a depth-first walk. */
function cycles(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const walk = (node: string, path: readonly string[]): void => {
    const seenAt = path.indexOf(node)
    if (seenAt !== -1) found.push([...path.slice(seenAt), node])
    if (seenAt !== -1 || done.has(node)) return
    for (const next of graph.get(node) ?? []) walk(next, [...path, node])
    done.add(node)
  }
  for (const node of graph.keys()) walk(node, [])
  return found
}

function targetOf(file: File, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.normalize(posix.join(file.folder, specifier)) : undefined
}

function brokerOf(path: string): string | undefined {
  return /^brokers\/([^/]+)\//.exec(path)?.[1]
}

function related(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`)
}
