// Asks a worker as an orchestrator does, on a port of this machine or on a unix socket.
import { request } from 'node:http'
import type { Health } from '../../src/cli/probe/health.ts'

export interface Answer {
  readonly status: number
  readonly body: Health
}

export function ask(where: number | string, path: string): Promise<Answer> {
  const to = typeof where === 'number' ? { host: '127.0.0.1', port: where } : { socketPath: where }
  return new Promise((resolve, reject) => {
    const asking = request({ ...to, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Health }),
      )
    })
    asking.on('error', reject)
    asking.end()
  })
}
