// Tries forwards through a connection process, with a double of the monitor that connects and listens on this machine.

import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client, ClientChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MonitorDouble } from '../../fixtures/gateway/monitor-double.ts';
import { connectTo, openDoor } from '../../fixtures/gateway/open-door.ts';

let double: MonitorDouble;
let client: Client;
let echo: Server;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dockersh-test-'));
  double = await openDoor(join(folder, 'agent'));
  client = await connectTo(double);
  // Says what it has heard only once nothing more comes: half of a connection may close before the other.
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    const heard: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => heard.push(bytes));
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from('heard '), ...heard])));
  });
  await new Promise<void>((resolve) => {
    echo.listen(0, '127.0.0.1', resolve);
  });
});

afterEach(async () => {
  client.end();
  echo.close();
  await double[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const portOf = (): number => (echo.address() as AddressInfo).port;

async function said(stream: ClientChannel | Socket, text: string): Promise<string> {
  const heard: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => heard.push(bytes));
  stream.end(text);
  await new Promise((resolve) => {
    stream.on('end', resolve);
  });
  return Buffer.concat(heard).toString();
}

const opened = (open: (done: (error: Error | undefined, channel: ClientChannel) => void) => void) =>
  new Promise<ClientChannel>((resolve, reject) => {
    open((error, channel) => {
      if (error) reject(error);
      else resolve(channel);
    });
  });

describe('a forward', () => {
  it('reaches a port inside, and closes by halves', async () => {
    const channel = await opened((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', portOf(), done));
    expect(await said(channel, 'hello')).toBe('heard hello');
  });

  it('tells of a port where nobody listens', async () => {
    const { port } = echo.address() as AddressInfo;
    echo.close();
    await expect(
      opened((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', port, done)),
    ).rejects.toThrow();
  });

  it('listens on a port inside until it is cancelled', async () => {
    const bound = await new Promise<number>((resolve, reject) => {
      client.forwardIn('127.0.0.1', 0, (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
    client.on('tcp connection', (details, accept) => {
      expect(details).toMatchObject({ destIP: '127.0.0.1', destPort: bound });
      accept()
        .pipe(connect(portOf(), '127.0.0.1'))
        .on('data', () => {});
    });
    const heard = new Promise<string>((resolve) => {
      echo.once('connection', (socket) => socket.once('data', (bytes) => resolve(bytes.toString())));
    });
    connect(bound, '127.0.0.1').end('from inside');
    expect(await heard).toBe('from inside');
    await new Promise<void>((resolve, reject) => {
      client.unforwardIn('127.0.0.1', bound, (error) => (error ? reject(error) : resolve()));
    });
    await expect(
      new Promise((resolve, reject) => {
        connect(bound, '127.0.0.1').on('connect', resolve).on('error', reject);
      }),
    ).rejects.toThrow(/ECONNREFUSED/);
  });

  it('of a socket goes both ways', async () => {
    const path = join(folder, 'inside');
    await new Promise<void>((resolve, reject) => {
      client.openssh_forwardInStreamLocal(path, (error) => (error ? reject(error) : resolve()));
    });
    client.on('unix connection', (_details, accept) => {
      accept().on('data', function (this: ClientChannel, bytes: Buffer) {
        this.end(`heard ${bytes.toString()}`);
      });
    });
    const channel = await opened((done) => client.openssh_forwardOutStreamLocal(path, done));
    expect(await said(channel, 'hello')).toBe('heard hello');
  });
});
