// Checks of what jobs are asked for by. A misspelt condition must never widen a selection: `remove` by a query that
// lost its only condition would remove everything.
import type { JobQuery, JobSelection, ListRequest } from '../broker/records.ts'
import { jobStates } from '../job/states.ts'
import { checkKnown, choice, invalidOption, wholeNumber } from '../task/check.ts'

const QUERY_OPTIONS: { readonly [K in keyof Required<JobQuery>]: true } = {
  states: true,
  task: true,
  queue: true,
  partition: true,
  workflow: true,
  search: true,
  tag: true,
  fingerprint: true,
  createdFrom: true,
  createdTo: true,
}
const QUERY = Object.keys(QUERY_OPTIONS)
const TEXTS = ['task', 'queue', 'partition', 'workflow', 'tag', 'fingerprint', 'cursor'] as const
const TIMES = ['createdFrom', 'createdTo'] as const
const MAX_LIMIT = 1_000

/** @throws OPTION_INVALID */
export function checkListRequest(where: string, request: ListRequest): void {
  checkKnown(where, request, [...QUERY, 'order', 'limit', 'cursor'])
  checkConditions(request)
  if (request.order !== undefined) choice('order', request.order, ['newest', 'oldest'])
  if (request.limit !== undefined) wholeNumber('limit', request.limit, 1, MAX_LIMIT)
}

/** @throws OPTION_INVALID */
export function checkSelection(where: string, selection: JobSelection): void {
  checkKnown(where, selection, ['ids', 'query', 'limit'])
  const { ids, query, limit } = selection as { ids?: unknown; query?: JobQuery; limit?: unknown }
  if ((ids === undefined) === (query === undefined)) {
    throw invalidOption(where, selection, "either 'ids' or a 'query' is needed")
  }
  if (query === undefined) checkIds('ids', ids)
  else {
    checkKnown(`${where} by query`, query, QUERY)
    checkConditions(query)
  }
  if (limit !== undefined) wholeNumber('limit', limit, 1, MAX_LIMIT)
}

/** @throws OPTION_INVALID */
export function checkIds(path: string, ids: unknown): void {
  if (!Array.isArray(ids)) throw invalidOption(path, ids, 'an array of ids is needed')
  const wrong = ids.findIndex((id) => typeof id !== 'string')
  if (wrong >= 0) throw invalidOption(`${path}[${wrong}]`, ids[wrong], 'a string is needed')
}

function checkConditions(query: ListRequest): void {
  const { states, search } = query
  if (states !== undefined) {
    if (!Array.isArray(states)) throw invalidOption('states', states, 'an array of states is needed')
    for (const [i, state] of states.entries()) choice(`states[${i}]`, state, jobStates)
  }
  for (const name of TEXTS) {
    const text: unknown = query[name]
    if (text !== undefined && typeof text !== 'string') throw invalidOption(name, text, 'a string is needed')
  }
  for (const name of TIMES) {
    const at: unknown = query[name]
    if (at !== undefined && !Number.isFinite(at)) {
      throw invalidOption(name, at, 'milliseconds since 1970 are needed')
    }
  }
  if (search === undefined) return
  if (typeof search !== 'object' || search === null) {
    throw invalidOption('search', search, 'an object of strings is needed')
  }
  for (const [field, value] of Object.entries(search)) {
    if (typeof value !== 'string') throw invalidOption(`search.${field}`, value, 'a string is needed')
  }
}
