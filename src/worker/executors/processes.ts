// Child processes, each of which runs one thing at a time. One that dies takes nothing with it but what it ran; another
// is started for the next.
import { Child, type ChildOptions } from './child.ts'
import type { Host, Running } from './host.ts'
import type { Note, Request } from './protocol.ts'

export class ProcessHost implements Host {
  readonly #options: ChildOptions
  readonly #idle: Child[] = []
  readonly #all = new Set<Child>()

  constructor(options: ChildOptions) {
    this.#options = options
  }

  start(request: Request, hear: (note: Note) => void): Running {
    // The one that ended its work last: the others may become idle for long enough to end.
    return (this.#idleOne() ?? this.#fork()).start(request, hear)
  }

  /** One that was ended from outside may not have said so yet. */
  #idleOne(): Child | undefined {
    for (;;) {
      const child = this.#idle.pop()
      if (child === undefined || child.connected) return child
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((child) => child.leave()))
  }

  #fork(): Child {
    const child = new Child(this.#options, {
      onIdle: () => this.#idle.push(child),
      onBusyOrGone: () => {
        const index = this.#idle.indexOf(child)
        if (index !== -1) this.#idle.splice(index, 1)
      },
      onGone: () => this.#all.delete(child),
    })
    this.#all.add(child)
    return child
  }
}
