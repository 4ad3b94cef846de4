import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { closeServer, listen } from './listen.ts'

const entry = fileURLToPath(new URL('main.ts', import.meta.url))

interface Run {
  code: number | null
  stdout: string
  stderr: string
}

interface Running {
  ended: Promise<Run>
  /** Resolves once standard output holds the text; rejects when the process ends before. */
  saw(text: string): Promise<void>
  stop(): void
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', entry, ...args])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = once(child, 'close').then(([code]): Run => ({ code, stdout, stderr }))
  return {
    ended,
    stop: () => child.kill('SIGTERM'),
    async saw(text) {
      while (!stdout.includes(text)) {
        const more = once(child.stdout, 'data').then(() => true)
        const goesOn = await Promise.race([more, ended.then(() => false)])
        if (!goesOn && !stdout.includes(text)) throw new Error(`ended without '${text}':\n${stdout}${stderr}`)
      }
    },
  }
}

describe('npm start', { timeout: 60_000 }, () => {
  it('parses the books, prints the summary and exits 0 with --once', async () => {
    const { code, stdout, stderr } = await start(['--once', '--books', '20', '--port', '0']).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Scheduled 20 books; 0 were known already.')
    expect(stdout).toContain('20 of 20 books done')
    // One of the first twenty pages always answers 500; the trouble of all others passes.
    expect(stdout).toContain('books parsed   19 of 20')
    expect(stdout).toMatch(/dead-lettered +1\n +1 × the site answered 500\n/)
    const retried = /retried +(\d+) \(attempts beyond the first: (\d+)\)/.exec(stdout)
    // Four pages fail twice, two are throttled and one is cut short; the broken one is tried four times.
    expect(Number(retried?.[1])).toBeGreaterThanOrEqual(8)
    expect(Number(retried?.[2])).toBeGreaterThanOrEqual(14)
    expect(stdout).toMatch(/time +[\d.]+ s, \d+ jobs a second/)
    expect(stdout).toMatch(/web service +p99 [\d.]+ ms/)
  })

  it('stays up without --once, on another port where its own is in use, and ends on SIGTERM', async () => {
    const holder = createServer()
    const taken = await listen(holder, 0)
    const running = start(['--books', '3', '--port', String(taken)])
    try {
      await running.saw('Ctrl-C ends it.')
    } finally {
      running.stop()
      await closeServer(holder)
    }
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).toContain(`(port ${taken} is in use)`)
    expect(stdout).toContain('Stopping')
  })

  it('says what is wrong with its arguments and exits 2', async () => {
    const { code, stderr } = await start(['--books', 'many']).ended
    expect(code).toBe(2)
    expect(stderr).toContain("--books is 'many'")
    expect(stderr).toContain('Usage:')
  })

  it('refuses a broker that its worker could not see', async () => {
    const { code, stderr } = await start(['--broker', 'sqlite::memory:']).ended
    expect(code).toBe(2)
    expect(stderr).toContain("--broker is 'sqlite::memory:', which keeps its jobs in one process")
  })

  it('says in a line why it cannot start, and exits 1', async () => {
    const { code, stderr } = await start(['--broker', 'nothing:', '--port', '0']).ended
    expect(code).toBe(1)
    expect(stderr).toContain("The worker could not start: no broker has the URL scheme 'nothing:'")
    expect(stderr).not.toContain('    at ')
  })
})
