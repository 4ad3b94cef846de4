// Proves `offstage migrate` on a PostgreSQL server, and what it says of brokers that need none of it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ran, runCli } from '../../test/cli/io.ts'
import { freshSchema, postgresTest } from '../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../test/support/servers.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-migrate-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function migrate(url: string, ...argv: readonly string[]): Promise<Ran> {
  return runCli(['migrate', ...argv, '--broker', url], { cwd: folder })
}

const urlOf = (schema: string): string => `${postgresUrl}?schema=${schema}`

async function query(text: string): Promise<void> {
  const client = new Client({ connectionString: postgresUrl })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

postgresTest('shows what is pending, applies it, and finds nothing more to do', async () => {
  const schema = freshSchema()
  const status = await migrate(urlOf(schema), '--status')
  expect(status).toMatchObject({ code: 1, stderr: expect.stringContaining('to apply: offstage migrate') })
  expect(status.stdout).toContain(`schema ${schema}: nothing is there yet\npending  0001 first\n`)

  const applied = await migrate(urlOf(schema))
  expect(applied).toMatchObject({ code: 0, stderr: '' })
  expect(applied.stdout).toMatch(/^applied {2}0001 first\n/)
  expect(applied.stdout).toMatch(/schema test_\w+: version \d+, the latest\n$/)

  const again = await migrate(urlOf(schema))
  expect(again).toMatchObject({ code: 0, stdout: expect.not.stringContaining('applied') })
  expect(await migrate(urlOf(schema), '--status')).toMatchObject({ code: 0, stderr: '' })
})

postgresTest('asking makes no schema, and says how to make it', async () => {
  const schema = freshSchema()
  const asked = [['status'], ['queues', 'ls'], ['jobs', 'ls']]
  for (const argv of asked) {
    const ran = await runCli([...argv, '--broker', urlOf(schema)], { cwd: folder })
    expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining("run 'offstage migrate'") })
  }
  const doctor = await runCli(['doctor', '--broker', urlOf(schema)], { cwd: folder })
  expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining("run 'offstage migrate'") })
  const status = await migrate(urlOf(schema), '--status')
  expect(status.stdout).toContain(`schema ${schema}: nothing is there yet`)
})

postgresTest('answers documents for programs', async () => {
  const schema = freshSchema()
  const url = urlOf(schema)
  const before = await migrate(url, '--status', '--json')
  expect(before.code).toBe(1)
  expect(JSON.parse(before.stdout)).toMatchObject({
    broker: 'postgres',
    version: 0,
    readableBy: 0,
    pending: [{ version: 1, name: 'first' }],
    applied: [],
  })
  const { latest } = JSON.parse(before.stdout) as { latest: number }
  expect(JSON.parse((await migrate(url, '--json')).stdout)).toMatchObject({
    version: latest,
    latest,
    readableBy: 1,
    pending: [],
    applied: [{ version: 1, name: 'first' }],
  })
  const after = JSON.parse((await migrate(url, '--json')).stdout) as object
  expect(after).toMatchObject({ version: latest, readableBy: 1, applied: [] })
})

postgresTest('prints a script that does the same', async () => {
  const schema = freshSchema()
  const { code, stdout, stderr } = await migrate(urlOf(schema), '--sql')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  await query(stdout)
  expect(await migrate(urlOf(schema), '--status')).toMatchObject({ code: 0 })
})

test('the script needs no server, and none is asked', async () => {
  const { code, stdout } = await migrate('postgres://nobody@127.0.0.1:1/none?schema=mine', '--sql')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^BEGIN/)
  expect(stdout).toContain('CREATE SCHEMA "mine"')
  expect(stdout).toMatch(/COMMIT;\n$/)
})

postgresTest('works on the broker of an app that may not migrate by itself', async () => {
  const schema = freshSchema()
  const source = pathToFileURL(join(import.meta.dirname, '../')).href
  let count = 0
  // A module is loaded once, and its app closed with the command.
  const run = (...argv: readonly string[]): Promise<Ran> => {
    count += 1
    writeFileSync(
      join(folder, `app-${count}.ts`),
      `import { offstage } from '${source}index.ts'
       import { postgres } from '${source}brokers/postgres/postgres.ts'
       export const app = offstage({ broker: postgres('${urlOf(schema)}&migrate=off') })`,
    )
    return runCli([...argv, '--entry', `./app-${count}.ts`], { cwd: folder })
  }
  expect(await run('queues', 'ls')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("run 'offstage migrate'"),
  })
  expect(await run('migrate')).toMatchObject({ code: 0, stdout: expect.stringContaining('applied  0001') })
  expect(await run('queues', 'ls')).toMatchObject({ code: 0 })
  expect(await run('migrate', '--namespace', 'other')).toMatchObject({ code: 2 })
})

postgresTest('says what it is of a newer store, and refuses one that it may not use', async () => {
  const schema = freshSchema()
  await migrate(urlOf(schema))
  await query(`UPDATE ${schema}.meta SET value = '99' WHERE key = 'version'`)
  expect(await migrate(urlOf(schema))).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("version 99, newer than this library's"),
  })
  await query(`UPDATE ${schema}.meta SET value = '99' WHERE key = 'readable_by'`)
  expect(await migrate(urlOf(schema))).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('Update the library'),
  })
})

test('other brokers do it by themselves', async () => {
  expect(await migrate('sqlite:./jobs.db')).toEqual({
    code: 0,
    stdout: 'the sqlite broker brings its store up to date by itself; there is nothing to do\n',
    stderr: '',
  })
  const { stdout } = await migrate('memory:', '--json')
  expect(JSON.parse(stdout)).toEqual({ broker: 'memory', pending: [], applied: [] })
  expect(await migrate('sqlite:./jobs.db', '--sql')).toMatchObject({ code: 2 })
})

test.each([
  [['--sql', '--status'], '--sql prints a script'],
  [['--from', '1'], '--from belongs to --sql'],
  [['--sql', '--from', 'x'], 'whole number'],
  [['--sql', '--from', '9999'], 'the latest version of the schema'],
])('wrong usage: %s', async (argv, said) => {
  const { code, stderr } = await migrate('postgres://nobody@127.0.0.1:1/none', ...argv)
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(said) })
})
