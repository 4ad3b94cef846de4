// How processes that share a file wake each other: a file beside it is touched after a commit that made work, and
// watched while somebody waits. It is a hint; polling is beneath it. Offstage never replaces or removes the file; where somebody
// else did, both sides notice that theirs is no longer the one that others find.
import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  openSync,
  statSync,
  watch,
  writeSync,
} from 'node:fs'
import type { Clock, Timer } from '../../runtime/clock.ts'

/** Touches closer together than this become one. In milliseconds. */
const APART_MS = 2
const BYTE = Uint8Array.of(46)

export class WakeFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #changed: () => void
  #fd: number | undefined
  #watcher: FSWatcher | undefined
  #watched = 0
  #touchedAt = Number.NEGATIVE_INFINITY
  #later: Timer | undefined
  #watching = false

  /** @param changed called when somebody, perhaps this process, has touched it */
  constructor(file: string, clock: Clock, changed: () => void) {
    this.#path = `${file}-wake`
    this.#clock = clock
    this.#changed = changed
  }

  touch(): void {
    if (this.#later !== undefined) return
    const waitMs = this.#touchedAt + APART_MS - this.#clock.monotonic()
    if (waitMs <= 0) this.#write()
    else {
      this.#later = this.#clock.schedule(waitMs, () => {
        this.#later = undefined
        this.#write()
      })
    }
  }

  watch(on: boolean): void {
    this.#watching = on
    if (on) this.#arm()
    else {
      this.#watcher?.close()
      this.#watcher = undefined
    }
  }

  close(): void {
    if (this.#later !== undefined) {
      this.#later.cancel()
      this.#write()
    }
    this.watch(false)
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #write(): void {
    this.#touchedAt = this.#clock.monotonic()
    try {
      if (this.#fd !== undefined && this.#inodeThere() !== fstatSync(this.#fd).ino) this.#forget()
      this.#fd ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600)
      writeSync(this.#fd, BYTE, 0, 1, 0)
    } catch {
      // A hint that cannot be given (a full disk, a folder that became read-only) leaves the others to their polling.
      this.#forget()
    }
  }

  #forget(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #arm(): void {
    if (this.#watcher !== undefined) return
    try {
      const fd = openSync(this.#path, 'a', 0o600)
      this.#watched = fstatSync(fd).ino
      closeSync(fd)
      const watcher = watch(this.#path, { persistent: false }, (event) => {
        // A file that was removed is told of as changed only, while any process has it open; its inode is not given to another
        // till then.
        if (event === 'rename' || this.#inodeThere() !== this.#watched) this.#again(watcher)
        this.#changed()
      })
      watcher.on('error', () => this.#again(watcher))
      this.#watcher = watcher
    } catch {
      // No watching here (limits of the system, a network file system): polling goes on.
      this.#watcher = undefined
    }
  }

  /** Of the file that others find; undefined where there is none. */
  #inodeThere(): number | undefined {
    try {
      return statSync(this.#path).ino
    } catch {
      return undefined
    }
  }

  /** Somebody removed or replaced the file: watches the one that is there now. */
  #again(watcher: FSWatcher): void {
    watcher.close()
    if (this.#watcher !== watcher) return
    this.#watcher = undefined
    this.#forget()
    this.#clock.schedule(APART_MS, () => {
      if (!this.#watching) return
      this.#arm()
      // For a touch while nobody watched.
      this.#changed()
    })
  }
}
