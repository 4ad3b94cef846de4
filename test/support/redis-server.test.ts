// The private servers: they answer, keep or lose their data as configured, fail over, and end with their process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { startCluster, startRedis, startSentinel } from './redis-server.ts'
import { redisServerMissing } from './servers.ts'

beforeEach(({ skip }) => {
  const reason = redisServerMissing()
  if (reason !== undefined) skip(reason)
})

async function until(seen: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(seen, { timeout: 15_000, interval: 20 }).toBe(true)
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a server answers, forgets without persistence, and takes its folder with it', async () => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  expect(await server.cli('SET', 'a', '1')).toBe('OK')
  const first = server.pid
  await server.restart()
  expect(server.pid).not.toBe(first)
  expect(await server.cli('EXISTS', 'a')).toBe('0')
  const { pid } = server
  await server.stop()
  expect(alive(pid)).toBe(false)
  expect(existsSync(server.dir)).toBe(false)
})

test('a server with appendfsync always keeps what it was given when it is killed', async () => {
  const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } })
  onTestFinished(() => server.stop())
  await server.cli('SET', 'a', '1')
  await server.kill()
  await server.restart()
  expect(await server.cli('GET', 'a')).toBe('1')
})

test('a paused server answers when it goes on', async () => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  server.pause()
  let answered = false
  const ping = server.cli('PING').then((answer) => {
    answered = true
    return answer
  })
  await pause(100)
  expect(answered).toBe(false)
  server.resume()
  expect(await ping).toBe('PONG')
})

test('what cannot start says why', async () => {
  await expect(startRedis({ config: { 'no-such-option': 1 } })).rejects.toThrow(/ended by itself/)
})

test('a server ends when the process that started it is killed', async () => {
  const script = `import('${new URL('./redis-server.ts', import.meta.url).href}').then(async ({ startRedis }) => {
    const server = await startRedis()
    console.log(server.pid)
    setInterval(() => {}, 1000)
  })`
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [data] = (await once(child.stdout, 'data')) as [Buffer]
  const pid = Number(data.toString())
  expect(alive(pid)).toBe(true)
  child.kill('SIGKILL')
  await until(() => !alive(pid))
})

test('three nodes make a cluster', async () => {
  const cluster = await startCluster()
  onTestFinished(() => cluster.stop())
  for (const node of cluster.nodes)
    expect(await node.cli('CLUSTER', 'INFO')).toContain('cluster_slots_ok:16384')
  expect(await cluster.nodes[0]?.cli('-c', 'SET', 'b', '1')).toContain('OK')
  expect(cluster.url).toMatch(/^redis\+cluster:\/\/127\.0\.0\.1:\d+,127/)
})

test('sentinels make the replica the primary when that one dies', async () => {
  const group = await startSentinel()
  onTestFinished(() => group.stop())
  await group.primary.cli('SET', 'a', '1')
  await group.primary.cli('WAIT', '1', '1000')
  await group.primary.kill()
  const [sentinel] = group.sentinels
  await until(async () => {
    const address = await sentinel?.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', group.name)
    return address === `127.0.0.1\n${group.replica.port}`
  })
  await until(async () => (await group.replica.cli('ROLE')).startsWith('master'))
  expect(await group.replica.cli('GET', 'a')).toBe('1')
})
