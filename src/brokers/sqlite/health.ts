// What the broker says of its store: engine, settings, sizes, and what a person should know.
import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { BrokerHealth } from '../../broker/contract.ts'
import type { Core } from './core.ts'
import type { Database, Engine } from './engine.ts'
import { SCHEMA_VERSION, type StoreSettings } from './schema.ts'
import type { Reading } from './time.ts'

/** Types of file systems over a network, by the number that statfs gives: NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, AFS. */
const NETWORK = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f,
])
const LITTLE_ROOM = 256 * 1024 * 1024

export function storeHealth(of: {
  readonly db: Database
  readonly core: Core
  readonly engine: Engine
  readonly settings: StoreSettings
  readonly reading: Reading
}): BrokerHealth {
  const { db, core, engine, settings, reading } = of
  const { file, durability } = settings
  const pragma = (name: string): string | number =>
    db.prepare(`PRAGMA ${name}`).get<[string | number]>()?.[0] ?? ''
  const inMemory = file === ':memory:'
  const journal = String(pragma('journal_mode'))
  const clock = core.store.sql.readCounters.get<[number, number, number, number, number]>()?.[4] ?? 0
  const name = engine.name === 'node' ? 'node:sqlite' : engine.name
  const warnings = inMemory ? [] : fileWarnings(file)
  if (!inMemory && journal !== 'wal')
    warnings.push(`the journal mode is ${journal}; wal is needed for good speed`)
  if (core.maintenance.badRows > 0)
    warnings.push(`${core.maintenance.badRows} jobs have rows that cannot be read; upkeep passes them over`)
  return {
    now: core.store.time.now(reading, clock),
    location: inMemory ? 'the memory of this process' : file,
    engine: `SQLite ${engine.version} by ${name}`,
    durability: inMemory
      ? 'none: jobs are lost when the process ends'
      : `synchronous=${durability.toUpperCase()}, ${journal}`,
    warnings,
    facts: {
      file,
      schemaVersion: SCHEMA_VERSION,
      pageSize: pragma('page_size'),
      ...(inMemory ? {} : { fileBytes: sizeOf(file), walBytes: sizeOf(`${file}-wal`) }),
    },
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function fileWarnings(file: string): string[] {
  const warnings: string[] = []
  const { type, bavail, bsize } = statfsSync(dirname(file))
  if (NETWORK.has(type))
    warnings.push(
      'the file may lie on a network file system, where SQLite cannot lock reliably; use a local disk',
    )
  const free = bavail * bsize
  if (free < LITTLE_ROOM)
    warnings.push(`only ${Math.floor(free / 1_048_576)} MiB are left on the disk of the file`)
  return warnings
}
