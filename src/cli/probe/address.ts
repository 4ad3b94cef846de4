// Where probes are answered, as users write it: a port, a host with a port, or a unix socket.
import { isAbsolute, resolve } from 'node:path'
import { UsageError } from '../exit.ts'
import { plain } from '../text.ts'

export type ProbeAddress =
  | { readonly kind: 'port'; readonly host: string; readonly port: number }
  | { readonly kind: 'socket'; readonly path: string }

/** Nobody but this machine asks, unless a host is named. */
const DEFAULT_HOST = '127.0.0.1'

/**
 * @param from where it was written, for the message
 * @param cwd where relative sockets start
 * @throws UsageError
 */
export function probeAddress(text: string, from: string, cwd: string): ProbeAddress {
  const [, path] = /^unix:(.+)$/.exec(text) ?? []
  if (path !== undefined) return { kind: 'socket', path: isAbsolute(path) ? path : resolve(cwd, path) }
  const [, bracketed, plainHost, digits] =
    /^(?:(?:\[([\da-f:.]+)\]|([^:[\]/\s]+)):)?(\d{1,5})$/i.exec(text) ?? []
  const port = Number(digits)
  if (digits !== undefined && port <= 65_535)
    return { kind: 'port', host: bracketed ?? plainHost ?? DEFAULT_HOST, port }
  throw new UsageError(
    `${from}: probe is '${plain(text)}'; write a port from 0 to 65535, host:port such as 0.0.0.0:8080, or unix:/path/to.sock`,
  )
}
