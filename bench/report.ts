// From the values of all rounds to the table that is printed and recorded.
import type { Figure, Target } from './suites.ts'
import { type SystemName, titles } from './systems/names.ts'

/** The values of one figure, a list a system, in the order of the rounds. */
export type Values = ReadonlyMap<SystemName, readonly number[]>

export interface Row {
  readonly figure: Figure
  readonly values: Values
}

/** One line a figure where we stand alone, else one a figure and system with our ratio to it. */
export function table(rows: readonly Row[]): string[] {
  const alone = rows.every(({ figure }) => figure.systems.length === 1)
  const header = alone
    ? ['figure', 'median', 'range', 'target', 'met']
    : ['figure', 'system', 'median', 'range', 'Offstage ÷ it', 'range', 'target', 'met']
  return [
    line(header),
    line(header.map(() => '---')).replaceAll(' ', ''),
    ...rows.flatMap(({ figure, values }) => figureLines(figure, values, alone)),
  ]
}

function figureLines(figure: Figure, values: Values, alone: boolean): string[] {
  const ours = values.get('offstage') ?? []
  return [...values].map(([system, own], index) => {
    const isOurs = system === 'offstage'
    // Without a figure of ours, in a run of some systems only, there is nothing to compare.
    const isCompared = !isOurs && ours.length > 0
    const target = isOurs || isCompared ? targetOf(figure, system) : undefined
    const ratios = isCompared ? own.map((value, round) => (ours[round] ?? Number.NaN) / value) : []
    const shown = [`${show(median(own))} ${figure.unit}`, range(own)]
    const aim = judge(target, median(isOurs ? own : ratios))
    if (alone) return line([figure.title, ...shown, ...aim])
    const ratio = ratios.length === 0 ? ['', ''] : [show(median(ratios)), range(ratios)]
    return line([index === 0 ? figure.title : '', titles[system], ...shown, ...ratio, ...aim])
  })
}

function targetOf({ targets }: Figure, system: SystemName): Target | undefined {
  return targets.find(({ over }) => (over ?? 'offstage') === system)
}

function judge(target: Target | undefined, value: number): [aim: string, met: string] {
  if (target === undefined) return ['–', '']
  const times = target.over === undefined ? '' : ' ×'
  if ('atLeast' in target) return [`≥ ${show(target.atLeast)}${times}`, met(value >= target.atLeast)]
  if ('atMost' in target) return [`≤ ${show(target.atMost)}${times}`, met(value <= target.atMost)]
  return [`< ${show(target.below)}${times}`, met(value < target.below)]
}

function met(is: boolean): string {
  return is ? 'yes' : 'no'
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function range(values: readonly number[]): string {
  return values.length === 1 ? 'one round' : `${show(Math.min(...values))} – ${show(Math.max(...values))}`
}

function show(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
