// Tries sessions through a connection process, with a double of the monitor that starts programs of this machine: what goes in
// comes out, and the end is told as it was.

import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fieldOf, textOf } from '../../../src/lib/wire.ts';
import type { MonitorDouble } from '../../fixtures/gateway/monitor-double.ts';
import { connectTo, execute, openDoor } from '../../fixtures/gateway/open-door.ts';
import { waitUntil } from '../../fixtures/process.ts';

let double: MonitorDouble;
let client: Client;

beforeEach(async () => {
  double = await openDoor();
  client = await connectTo(double);
});

afterEach(async () => {
  client.end();
  await double[Symbol.asyncDispose]();
});

const run = async (command: string) => (await execute(client, command)).outcome;
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a command', () => {
  it('has output, errors and a status of its own', async () => {
    expect(await run('echo out; echo err >&2; exit 7')).toEqual({
      out: Buffer.from('out\n'),
      errors: 'err\n',
      code: 7,
      signal: undefined,
    });
  });

  it('ends by a signal, which is told by name', async () => {
    expect(await run('kill -USR1 $$')).toMatchObject({ code: null, signal: 'SIGUSR1' });
  });

  it('gets signals', async () => {
    const command = 'trap "echo caught; exit 3" TERM; echo ready; sleep 30 & wait';
    const { channel, outcome, started } = await execute(client, command);
    await started;
    channel.signal('TERM');
    expect(await outcome).toMatchObject({ out: Buffer.from('ready\ncaught\n'), code: 3 });
  });

  it('reads to the end of what is sent, byte for byte', async () => {
    const bytes = randomBytes(6 * 1024 * 1024 + 17);
    const { channel, outcome } = await execute(client, 'cat');
    channel.end(bytes);
    expect(digest((await outcome).out)).toBe(digest(bytes));
  });

  it('takes input as it is read, not only when all of it is', async () => {
    // A client that writes before it reads must not wait for a program that waits for its reader.
    const { channel } = await execute(client, 'head -c 1500000 >/dev/null; sleep 60');
    const { outgoing } = channel as unknown as { readonly outgoing: { readonly window: number } };
    channel.write(Buffer.alloc(2 * 1024 * 1024));
    await waitUntil(() => outgoing.window >= 1024 * 1024, 'room for more');
    channel.close();
  });

  it('reaches the monitor byte for byte, though it is no UTF-8', async () => {
    await run('true \xff');
    const asked = double.asked.find(({ type }) => type === 'gwSession');
    expect(asked === undefined ? '' : fieldOf(asked, 'arg')?.toString()).toBe('true \xff');
  });

  it('runs beside others of the same connection', async () => {
    const numbers = Array.from({ length: 10 }, (_, number) => number);
    const outcomes = await Promise.all(numbers.map((number) => run(`echo ${number}; exit ${number}`)));
    expect(outcomes.map(({ code }) => code)).toEqual(numbers);
  });

  it('is as it was after keys have been exchanged again in its midst', async () => {
    const { outcome, started } = await execute(client, 'head -c 20000000 /dev/zero');
    let exchanged = 0;
    client.on('handshake', () => {
      exchanged += 1;
    });
    await started;
    (client as unknown as { _protocol: { rekey(): void } })._protocol.rekey();
    expect((await outcome).out.equals(Buffer.alloc(20_000_000))).toBe(true);
    expect(exchanged).toBe(1);
  });
});

describe('a terminal', () => {
  it('has the size that is asked for, and follows it', async () => {
    const command = 'stty size; read -r; stty size; echo "$TERM"';
    const pty = { rows: 30, cols: 100, term: 'vt220' };
    const { channel, outcome, started } = await execute(client, command, { pty });
    await started;
    channel.setWindow(40, 120, 0, 0);
    // At once: what is typed behind it must not overtake it.
    channel.write('\n');
    expect(
      (await outcome).out
        .toString()
        .trim()
        .split(/\s*\r\n\s*/),
    ).toEqual(['30 100', '40 120', 'vt220']);
    const asked = double.asked.find(({ type }) => type === 'gwSession');
    expect(asked === undefined ? undefined : textOf(asked, 'gwTerm')).toBe('vt220');
  });

  it('has the size that was sent before what is typed, each time', async () => {
    const numbers = Array.from({ length: 50 }, (_, number) => number + 20);
    const script = 'stty -echo; while read -r line; do stty size; [ "$line" != end ] || exit 0; done';
    const { channel, outcome } = await execute(client, script, { pty: { rows: 10, cols: 10 } });
    const heard: Buffer[] = [];
    channel.on('data', (bytes: Buffer) => heard.push(bytes));
    for (const rows of numbers) {
      channel.setWindow(rows, 100, 0, 0);
      channel.write(rows === numbers.at(-1) ? 'end\n' : 'more\n');
      // One at a time: that the program looks at each size before the next comes is its own matter.
      const seen = new RegExp(`^${rows} 100\\r?$`, 'm');
      await waitUntil(() => seen.test(Buffer.concat(heard).toString()), `a size of ${rows}`);
    }
    await outcome;
  });

  it('takes more input than it holds, as it is read', async () => {
    const bytes = Buffer.alloc(1_000_000, 'some text, ');
    const command = 'stty raw -echo; echo ready; sleep 0.5; head -c 1000000 | sha256sum';
    const { channel, outcome, started } = await execute(client, command, { pty: true });
    await started;
    channel.write(bytes);
    expect((await outcome).out.toString()).toContain(digest(bytes));
  });

  it('hangs up with its channel', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dockersh-test-'));
    const told = join(folder, 'told');
    const command = `trap 'echo hung up > ${told}; exit' HUP; echo ready; while :; do sleep 0.05; done`;
    const { channel, started } = await execute(client, command, { pty: true });
    await started;
    channel.close();
    await waitUntil(() => existsSync(told) && readFileSync(told, 'utf8') === 'hung up\n', 'a hang-up');
    rmSync(folder, { recursive: true });
  });
});

describe('sftp', () => {
  it('is a subsystem like any other', async () => {
    const names = await new Promise<readonly string[]>((resolve, reject) => {
      client.sftp((failed, sftp) => {
        if (failed) reject(failed);
        else
          sftp.readdir('/etc', (error, list) => {
            if (error) reject(error);
            else resolve(list.map(({ filename }) => filename));
          });
      });
    });
    expect(names).toContain('passwd');
  });
});
