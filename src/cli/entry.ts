// What a user's entry modules export: the app, and the tasks that a worker should run.
import { type App, appOf, isApp } from '../app/app.ts'
import { OffstageError } from '../errors/error.ts'
import { type AnyTask, definitionOf, isImplemented, isTask } from '../task/definition.ts'
import { type Exports, loadModule } from './load.ts'
import { plain } from './text.ts'

export interface Entry {
  readonly app: App
  /** The exported tasks, else all of the app; each with its handler where the app has one. */
  readonly tasks: readonly AnyTask[]
}

/**
 * Loads the modules at absolute paths.
 *
 * @throws what `loadModule` throws, and MODULE_INVALID where they export neither, or of two apps
 */
export async function loadEntry(paths: readonly string[]): Promise<Entry> {
  const apps = new Set<App>()
  const exported = new Set<AnyTask>()
  for (const path of paths) {
    const module = await loadModule(path)
    const found = collect(module)
    if (found.apps.length + found.tasks.length === 0)
      throw invalid(`${plain(path)} exports ${namesOf(module)}`)
    for (const app of found.apps) apps.add(app)
    for (const task of found.tasks) exported.add(task)
  }
  for (const task of exported) {
    const app = appOf(task)
    if (app !== undefined) apps.add(app)
  }
  const [app, second] = apps
  if (app === undefined) throw invalid('the tasks that are exported belong to no app')
  if (second !== undefined) throw invalid('the modules use two apps; a worker serves one')
  return { app, tasks: exported.size === 0 ? app.tasks : [...exported].map((task) => implemented(task, app)) }
}

/** A definition may be exported without its implementation; the app knows the latest of each name. */
function implemented(task: AnyTask, app: App): AnyTask {
  if (isImplemented(task[definitionOf])) return task
  return app.tasks.find(({ name }) => name === task.name) ?? task
}

interface Found {
  readonly apps: App[]
  readonly tasks: AnyTask[]
}

/** Exports, and what stands in exported modules, arrays and plain objects one level below. */
function collect(exports: Exports, below = true): Found {
  const found: Found = { apps: [], tasks: [] }
  for (const value of Object.values(exports)) {
    if (isApp(value)) found.apps.push(value)
    else if (isTask(value)) found.tasks.push(value)
    else if (below && isCollection(value)) found.tasks.push(...collect(value, false).tasks)
  }
  return found
}

function isCollection(value: unknown): value is Exports {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

function namesOf(module: Exports): string {
  const names = Object.keys(module).map(plain)
  return names.length === 0 ? 'nothing' : `only ${names.slice(0, 10).join(', ')}`
}

function invalid(message: string): OffstageError {
  return new OffstageError(
    'MODULE_INVALID',
    `${message}; export the app, as in: export const app = offstage(), or tasks made by app.task()`,
  )
}
