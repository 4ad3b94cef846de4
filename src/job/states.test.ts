import { describe, expect, test } from 'vitest'
import {
  canMove,
  endedStates,
  isEnded,
  type JobState,
  jobStates,
  reasons,
  transitions,
  waitingStates,
} from './states.ts'

describe('the table of moves', () => {
  test('names each move once', () => {
    const moves = transitions.map(({ from, to }) => `${from} ${to}`)
    expect(new Set(moves).size).toBe(moves.length)
  })

  test('every state can be reached, and left for good', () => {
    const reach = (start: string, next: (at: string) => string[]): Set<string> => {
      const seen = new Set([start])
      for (const at of seen) for (const to of next(at)) seen.add(to)
      return seen
    }
    const onward = reach('none', (at) => transitions.filter(({ from }) => from === at).map(({ to }) => to))
    const back = reach('none', (at) => transitions.filter(({ to }) => to === at).map(({ from }) => from))
    expect([...onward].sort()).toEqual(['none', ...jobStates].sort())
    expect([...back].sort()).toEqual(['none', ...jobStates].sort())
  })

  test('an ended job is left only by a person’s retry or by its removal; a success only by its removal', () => {
    for (const { from, to, by } of transitions) {
      if (from === 'none' || !isEnded(from)) continue
      expect(to === 'none' || (to === 'ready' && by === 'retry')).toBe(true)
      if (from === 'succeeded') expect(to).toBe('none')
    }
  })

  test('only reserve makes a job active, and what is active is not removed', () => {
    expect(transitions.filter(({ to }) => to === 'active').map(({ from, by }) => [from, by])).toEqual([
      ['ready', 'reserve'],
    ])
    expect(canMove('active', 'none')).toBe(false)
    expect(canMove('active', 'blocked')).toBe(false)
    expect(canMove('none', 'active')).toBe(false)
  })

  test('a job cannot succeed or fail without having been active', () => {
    for (const to of ['succeeded', 'failed'] as const)
      expect(transitions.filter((move) => move.to === to).map(({ from }) => from)).toEqual(['active'])
  })
})

test('each state waits, is active, or has ended', () => {
  const sorted = (states: readonly JobState[]): JobState[] => [...states].sort()
  expect(sorted([...waitingStates, 'active', ...endedStates])).toEqual(sorted(jobStates))
  expect(jobStates.filter(isEnded)).toEqual([...endedStates])
})

test('a reason is named once', () => {
  expect(new Set(reasons).size).toBe(reasons.length)
})
