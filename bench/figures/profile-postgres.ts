// What PostgreSQL was busy with during a profile: the CPU of its processes by kind (on Linux, where it can be read), its
// functions by their own time, and what it wrote.
import { readFileSync } from 'node:fs'
import { Client } from 'pg'
import { databaseOf } from '../systems/system.ts'

const TICKS_A_SECOND = 100
/** A session tells its statistics at most once a second, when it is idle. */
const TELL_MS = 1_200

/** Starts counting; the answer tells what happened in so many seconds. */
export async function watchPostgres(broker: string): Promise<(seconds: number) => Promise<string[]>> {
  const client = new Client({ connectionString: databaseOf(broker).connectionString })
  await client.connect()
  const rows = async <R extends object>(sql: string): Promise<R[]> => (await client.query<R>(sql)).rows
  await client.query('SELECT pg_stat_reset()')
  const [{ lsn } = { lsn: '' }] = await rows<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn')
  const before = await cpu()
  return async (seconds) => {
    const after = await cpu()
    const wal = `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '${lsn}')::float8 AS bytes`
    const [{ bytes } = { bytes: Number.NaN }] = await rows<{ bytes: number }>(wal)
    await new Promise((resolve) => setTimeout(resolve, TELL_MS))
    const functions = await rows<{ name: string; calls: string; self: number; total: number }>(
      `SELECT funcname AS name, calls, self_time AS self, total_time AS total FROM pg_stat_user_functions WHERE calls > 0
       ORDER BY self_time DESC LIMIT 15`,
    )
    await client.end()
    const busy = [...after].map(([kind, spent]) => [kind, spent - (before.get(kind) ?? 0)] as const)
    return [
      `PostgreSQL: ${busy.map(([kind, spent]) => `${kind} ${percent(spent / seconds)}`).join(', ')} of a core; ${(bytes / 1e6 / seconds).toFixed(1)} MB of log a second`,
      'functions: share of the time by themselves, calls, ms each by themselves and with what they call',
      ...functions.map(({ name, calls, self, total }) => {
        const each = [self, total].map((ms) => (ms / Number(calls)).toFixed(3)).join(' / ')
        return `  ${percent(self / 1e3 / seconds).padStart(6)}  ${name}  ${calls} × ${each}`
      }),
    ]
  }

  /** Seconds by kind of process. What has ended meanwhile is not in it. */
  async function cpu(): Promise<Map<string, number>> {
    const processes = await rows<{ pid: number; kind: string }>(
      'SELECT pid, backend_type AS kind FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    )
    const sums = new Map<string, number>()
    for (const { pid, kind } of processes) sums.set(kind, (sums.get(kind) ?? 0) + secondsOf(pid))
    return sums
  }
}

function secondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
  } catch {
    // It has ended, or this is no Linux.
    return 0
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`
}
