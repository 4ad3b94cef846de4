import { describe, expect, test } from 'vitest'
import { checkPolicy, checkServer, factsOf, parseInfo } from './server.ts'

const at = { host: 'h', port: 6379 }
const healthy = {
  redis_version: '7.2.4',
  role: 'master',
  maxmemory_policy: 'noeviction',
  aof_enabled: '1',
  used_memory: '1000',
  maxmemory: '0',
  connected_slaves: '0',
}

function info(more: { [name: string]: string } = {}): ReturnType<typeof parseInfo> {
  const lines = Object.entries({ ...healthy, ...more }).map(([name, value]) => `${name}:${value}`)
  return parseInfo(`# Server\r\n${lines.join('\r\n')}\r\n\r\n`)
}

const facts = (
  more: { [name: string]: string } = {},
  configured: { appendfsync?: string; save?: string; aofLoadTruncated?: string } = {
    appendfsync: 'everysec',
    save: '',
  },
): ReturnType<typeof factsOf> => factsOf(info(more), configured, 'single', at, 0.2)

describe('the facts of a server', () => {
  test('where all is well', () => {
    expect(facts()).toEqual({
      engine: 'Redis 7.2.4',
      version: '7.2.4',
      mode: 'single',
      address: 'h:6379',
      role: 'primary',
      policy: 'noeviction',
      persistence: 'aof (appendfsync everysec)',
      appendfsync: 'everysec',
      memoryBytes: 1_000,
      memoryLimitBytes: undefined,
      replicas: 0,
      replicaLagBytes: undefined,
      pingMs: 0.2,
      warnings: [],
      advice: [],
    })
  })

  test('with an append-only file that is loaded where its end is missing', () => {
    const advice = [expect.stringContaining('redis-check-aof --fix')]
    const configured = { appendfsync: 'always', save: '', aofLoadTruncated: 'yes' }
    expect(facts({}, configured)).toMatchObject({ warnings: [], advice })
    expect(facts({}, { ...configured, aofLoadTruncated: 'no' }).advice).toEqual([])
    expect(facts({ aof_enabled: '0' }, { ...configured, save: '60 1' }).advice).toEqual([])
  })

  test('with replicas: how far the last of them is behind', () => {
    const seen = facts({
      connected_slaves: '2',
      slave0: 'ip=a,port=1,state=online,offset=900,lag=0',
      slave1: 'ip=b,port=1,state=online,offset=400,lag=1',
      master_repl_offset: '1000',
    })
    expect(seen).toMatchObject({ replicas: 2, replicaLagBytes: 600 })
  })

  test.each([
    [{ aof_enabled: '0' }, { save: '' }, 'none', 'nothing is written to disk'],
    [{ aof_enabled: '0' }, { save: '3600 1' }, 'rdb (save 3600 1)', 'snapshots only'],
    [{ aof_enabled: '0' }, {}, 'no aof; rdb unknown: CONFIG GET is forbidden', ''],
    [{}, {}, 'aof (appendfsync unknown: CONFIG GET is forbidden)', ''],
    [{}, { appendfsync: 'no', save: '60 1' }, 'aof (appendfsync no), rdb (save 60 1)', ''],
    [
      { aof_last_write_status: 'err' },
      { save: '' },
      undefined,
      'the last write of the append-only file failed',
    ],
    [{ rdb_last_bgsave_status: 'err' }, { save: '' }, undefined, 'the last snapshot failed'],
    [{ maxmemory: '1050' }, { save: '' }, undefined, '95 % of its memory'],
    [{ maxmemory_policy: 'volatile-lru' }, { save: '' }, undefined, 'volatile-lru'],
  ])('%j with %j', (more, configured, persistence, warning) => {
    const seen = facts(more, configured)
    if (persistence !== undefined) expect(seen.persistence).toBe(persistence)
    expect(seen.warnings.join('\n')).toContain(warning)
    expect(seen.warnings).toHaveLength(warning === '' ? 0 : 1)
  })

  test('where INFO is forbidden', () => {
    expect(factsOf(undefined, {}, 'single', at, undefined)).toMatchObject({
      policy: 'unknown',
      role: 'unknown',
    })
  })

  test('of Valkey and of others that speak the protocol', () => {
    expect(facts({ valkey_version: '8.1.0', server_name: 'valkey' }).engine).toBe('Valkey 8.1.0')
    expect(facts({ server_name: 'garnet' }).engine).toBe('garnet 7.2.4')
  })
})

describe('a server that will not do', () => {
  test.each([
    [{ redis_version: '6.0.16' }, 'single', 'BROKER_TOO_OLD'],
    [{ redis_version: '5.0.0' }, 'cluster', 'BROKER_TOO_OLD'],
    [{ cluster_enabled: '1' }, 'single', 'BROKER_IS_CLUSTER'],
    [{ cluster_enabled: '1' }, 'sentinel', 'BROKER_IS_CLUSTER'],
    [{ cluster_enabled: '0' }, 'cluster', 'BROKER_NOT_CLUSTER'],
    [{ role: 'slave' }, 'single', 'BROKER_IS_REPLICA'],
    [{ role: 'slave' }, 'sentinel', 'BROKER_UNAVAILABLE'],
    [{ loading: '1' }, 'single', 'BROKER_UNAVAILABLE'],
  ] as const)('%j as %s', (more, mode, code) => {
    expect(() => checkServer(info(more), mode, at, false)).toThrow(expect.objectContaining({ code }))
  })

  test('and the oldest ones that will', () => {
    checkServer(info({ redis_version: '6.2.0' }), 'single', at, false)
    checkServer(info({ redis_version: '7.2.0' }), 'single', at, true)
    expect(() => checkServer(info({ redis_version: '7.0.15' }), 'single', at, true)).toThrow('7.2')
  })

  test.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])('by its policy %s', (policy) => {
    expect(() => checkPolicy(info({ maxmemory_policy: policy }), at)).toThrow(
      expect.objectContaining({ code: 'BROKER_EVICTS', message: expect.stringContaining(policy) }),
    )
    checkPolicy(info(), at)
  })
})
