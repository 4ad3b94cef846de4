// The proxy of the fault suite, over a server that answers with what it gets.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NetProxy } from './proxy.ts'
import { inTime, lasting, now, until } from './time.ts'

let echo: Server
let heard = ''
let proxy: NetProxy
const ends: Socket[] = []

beforeEach(async () => {
  heard = ''
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      heard += data.toString()
      socket.write(`<${data}>`)
    })
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as { port: number }
  proxy = await NetProxy.start({ host: '127.0.0.1', port })
})

afterEach(async () => {
  for (const end of ends.splice(0)) end.destroy()
  await proxy.close()
  echo.close()
})

interface Client {
  readonly socket: Socket
  readonly got: () => string
  readonly closed: Promise<string>
  say(text: string): void
  hears(text: string): Promise<true>
}

async function client(): Promise<Client> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' })
  ends.push(socket)
  let got = ''
  let code = 'end'
  socket.on('data', (data) => {
    got += data.toString()
  })
  socket.on('error', (error) => {
    code = (error as NodeJS.ErrnoException).code ?? 'unknown'
  })
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(code)))
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  const hears = (text: string): Promise<true> =>
    until(`the client hears ${text}`, () => got.includes(text) || undefined, { limitMs: 5_000 })
  return { socket, got: () => got, closed, say: (text) => void socket.write(text), hears }
}

test('what nobody harms comes through, and ends come through too', async () => {
  const one = await client()
  one.say('hello')
  await one.hears('<hello>')
  expect([proxy.open, proxy.accepted]).toEqual([1, 1])
  one.socket.end()
  expect(await one.closed).toBe('end')
  await until('the pair is gone', () => proxy.open === 0)
})

test('a cut resets every connection, and new ones are taken', async () => {
  const [one, two] = [await client(), await client()]
  one.say('a')
  await one.hears('<a>')
  proxy.cut()
  expect(await Promise.all([one.closed, two.closed])).toEqual(['ECONNRESET', 'ECONNRESET'])
  const three = await client()
  three.say('b')
  await three.hears('<b>')
})

test('a black hole swallows both ways, new connections too, and what lost bytes stays silent', async () => {
  const [loud, still] = [await client(), await client()]
  loud.say('before')
  still.say('before')
  await Promise.all([loud.hears('<before>'), still.hears('<before>')])
  proxy.blackHole()
  loud.say('lost')
  const late = await client()
  late.say('lost too')
  expect(
    await inTime(
      150,
      loud.hears('<lost>').catch(() => false),
    ),
  ).toBe(false)
  await proxy.restore()
  still.say('after')
  await still.hears('<after>')
  loud.say('again')
  late.say('again')
  const next = await client()
  next.say('next')
  await next.hears('<next>')
  expect(heard).not.toContain('again')
  expect([loud.got(), late.got()]).toEqual(['<before>', ''])
})

test('an end that closed in the hole is told afterwards', async () => {
  const one = await client()
  one.say('a')
  await one.hears('<a>')
  proxy.blackHole()
  one.socket.destroy()
  await one.closed
  await until('it is seen to be given up', () => proxy.givenUp === 1)
  expect(proxy.open).toBe(1)
  await proxy.restore()
  await until('the server has heard of it', () => proxy.open === 0)
})

test('a lost reply: the server did what was asked, the client is cut', async () => {
  const one = await client()
  const eaten = proxy.dropNextReply('settle')
  one.say('reserve')
  await one.hears('<reserve>')
  // A mark may come in two pieces.
  one.say('x set')
  await one.hears('<x set>')
  one.say('tle 1')
  await eaten
  expect(await one.closed).toBe('ECONNRESET')
  expect(heard).toBe('reservex settle 1')
  expect(one.got()).not.toContain('tle 1')
  const two = await client()
  two.say('settle 2')
  await two.hears('<settle 2>')
})

test('a lost request never reaches the server', async () => {
  const one = await client()
  const eaten = proxy.dropNextRequest('settle', 'enqueue')
  one.say('reserve')
  await one.hears('<reserve>')
  one.say('enqueue')
  await eaten
  expect(await one.closed).toBe('ECONNRESET')
  expect(heard).toBe('reserve')
})

test('a delay holds what it carries back, each way, in order', async () => {
  const one = await client()
  proxy.delay(60)
  const startedAt = now()
  for (const text of ['a', 'b', 'c']) one.say(text)
  await until('all is back', () => one.got().replace(/[<>]/g, '') === 'abc')
  expect(now() - startedAt).toBeGreaterThanOrEqual(118)
  await proxy.restore()
  one.say('d')
  await one.hears('<d>')
})

test('a delay that changes keeps the order too', async () => {
  const one = await client()
  const all = Array.from({ length: 200 }, (_, n) => `${n},`)
  for (const [n, text] of all.entries()) {
    proxy.delay(n % 7)
    one.say(text)
    if (n % 3 === 0) await lasting(1)
  }
  await proxy.restore()
  await until('all is back', () => one.got().replace(/[<>]/g, '') === all.join('') || undefined, {
    limitMs: 5_000,
    tail: () => one.got(),
  })
  expect(heard).toBe(all.join(''))
})

test('where the net is refused nobody connects, until it is back on the same port', async () => {
  const one = await client()
  await proxy.refuse()
  expect(await one.closed).toBe('ECONNRESET')
  expect(await (await client()).closed).toBe('ECONNREFUSED')
  await proxy.restore()
  const two = await client()
  two.say('a')
  await two.hears('<a>')
})

test('a server that is down resets whoever comes', async () => {
  const one = await client()
  one.say('a')
  await one.hears('<a>')
  for (const end of ends) end.destroy()
  await until('the first is gone', () => proxy.open === 0)
  echo.close()
  await once(echo, 'close')
  const two = await client()
  expect(await two.closed).toBe('ECONNRESET')
})

test('while it slams, every connection is reset as soon as it is there, and each try is counted', async () => {
  const before = await client()
  proxy.slam()
  expect(await before.closed).toBe('ECONNRESET')
  const tries = proxy.accepted
  for (let n = 0; n < 3; n += 1) {
    const tried = await client()
    tried.say('hello')
    await tried.closed
  }
  expect(proxy.accepted).toBe(tries + 3)
  expect(heard).not.toContain('hello')
  await proxy.restore()
  const after = await client()
  after.say('hello')
  await after.hears('<hello>')
})
