// Watches from inside of a sandbox how long the way out is not there, and whether anything opens that is closed (watch.py).

import * as z from 'zod';
import { describeFinished, type Running } from '../../fixtures/process.ts';

const Seen = z.strictObject({
  /** Seconds of the longest time in which nothing new was reached, as counted from `count` on. */
  new: z.number(),
  /** And in which the connection that was opened first had no answer. */
  kept: z.number(),
  /** Why that one broke, if it did. */
  broke: z.array(z.string()),
  /** What answered of all that is closed. */
  opened: z.array(z.string()),
});
export type Seen = z.infer<typeof Seen>;

export class Watch implements AsyncDisposable {
  readonly #running: Running;

  private constructor(running: Running) {
    this.#running = running;
  }

  static async start(running: Running): Promise<Watch> {
    const watch = new Watch(running);
    try {
      await running.waitForOutput('ready\n');
      return watch;
    } catch (error) {
      await watch[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What has been until now does not count. */
  async count(): Promise<void> {
    this.#running.process.stdin?.write('\n');
    await this.#running.waitForOutput('counting\n');
  }

  async end(): Promise<Seen> {
    this.#running.process.stdin?.end();
    const finished = await this.#running.finished();
    if (finished.code !== 0) throw new Error(describeFinished(finished));
    return Seen.parse(JSON.parse(finished.stdout.toString().replace(/^ready\n(counting\n)*/, '')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}
