// A server that speaks the admin protocol on a real unix socket, for tests of dockershctl.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CliEnvironment } from '../../../src/cli/console.ts';
import { runCli } from '../../../src/cli/program.ts';
import { type AdminRequest, adminRequest } from '../../../src/protocol/admin.ts';

export type Respond = (request: AdminRequest, socket: Socket) => void;

export class FakeDaemon implements AsyncDisposable {
  readonly socketPath: string;
  readonly requests: AdminRequest[] = [];
  readonly #folder: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(folder: string, respond: Respond) {
    this.#folder = folder;
    this.socketPath = join(folder, 'admin.sock');
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#connections.add(socket);
      // The client may go away at any time; that is what some of the tests are about.
      socket.on('error', () => socket.destroy());
      void this.#serve(socket, respond);
    });
  }

  static async start(respond: Respond): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp('/tmp/dockersh-test-'), respond);
    await new Promise<void>((resolve) => daemon.#server.listen(daemon.socketPath, resolve));
    return daemon;
  }

  async #serve(socket: Socket, respond: Respond): Promise<void> {
    let text = '';
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      text += String(chunk);
      if (text.endsWith('\n')) break;
    }
    const request = adminRequest.parse(JSON.parse(text));
    this.requests.push(request);
    respond(request, socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#folder, { recursive: true });
  }
}

export const answerOk =
  (result: unknown): Respond =>
  (_request, socket) => {
    socket.end(`${JSON.stringify({ ok: true, result })}\n`);
  };

class Captured {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number;

  constructor(terminal: { columns: number } | undefined) {
    this.isTTY = terminal !== undefined;
    this.columns = terminal?.columns ?? 0;
  }

  write(text: string): void {
    this.text += text;
  }
}

interface CliRun {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs dockershctl in this process. `typed` is what somebody at the terminal answers. */
export async function cli(
  args: readonly string[],
  terminal?: { columns: number },
  typed = '',
): Promise<CliRun> {
  const stdout = new Captured(terminal);
  const stderr = new Captured(terminal);
  const stdin = Object.assign(Readable.from([typed]), { isTTY: terminal !== undefined });
  const environment: CliEnvironment = { stdin, stdout, stderr };
  const status = await runCli(args, environment, '1.2.3');
  return { status, stdout: stdout.text, stderr: stderr.text };
}
