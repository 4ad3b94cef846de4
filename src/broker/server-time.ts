// Broker time as a client reckons it between answers, for brokers whose clock is a server's: when it sent a call, by the
// server's clock, tells how long the server let it wait.
export class ServerTime {
  /** What is to be added to the monotonic clock, as far as answers have told. Never too little. */
  #offset: number | undefined

  /**
   * The server said `now` at some time between `leftAt` and `cameAt`, both monotonic. A process that stood still reads an
   * answer late, which is no reason to take its server for one that was away: what may still be right is kept.
   */
  learn(now: number, leftAt: number, cameAt: number): void {
    const [least, most] = [now - cameAt, now - leftAt]
    if (this.#offset === undefined || this.#offset < least || this.#offset > most) this.#offset = most
  }

  /** Broker time at a monotonic time; 0 where no answer has told. */
  at(monotonic: number): number {
    return this.#offset === undefined ? 0 : monotonic + this.#offset
  }
}
