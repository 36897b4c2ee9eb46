// Tests of dockershctl's end of the admin protocol, against a real socket.

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import { whoAsks } from '../../../src/cli/host/who.ts';
import { resolved } from '../../../src/lib/values/absolute-path.ts';
import { type AdminProgress, adminMaxAnswerBytes } from '../../../src/protocol/admin.ts';
import { answerOk, FakeDaemon, type Respond } from './fake-daemon.ts';

const versionResult = { version: '1.0.0', node: '26.0.0', kernel: '6.18.0', cgroup: 'hybrid' };

const raw =
  (...lines: string[]): Respond =>
  (_request, socket) => {
    socket.end(lines.join(''));
  };

async function askVersion(respond: Respond, silenceMs = 4_000): Promise<unknown> {
  await using daemon = await FakeDaemon.start(respond);
  return await callAdmin('version', {}, { socketPath: daemon.socketPath, silenceMs });
}

describe('callAdmin', () => {
  it('sends one request and returns the checked result', async () => {
    await using daemon = await FakeDaemon.start(answerOk({ user: 'ada', stopped: true }));
    const result = await callAdmin('stop', { user: 'ada' }, { socketPath: daemon.socketPath });
    expect(result).toEqual({ user: 'ada', stopped: true });
    expect(daemon.requests).toEqual([{ version: 1, verb: 'stop', by: whoAsks(), params: { user: 'ada' } }]);
  });

  it('reports progress in order, also when lines arrive in pieces', async () => {
    await using daemon = await FakeDaemon.start((_request, socket) => {
      const result = { images: [{ name: 'base', digest: 'sha256:00', sizeBytes: 1, files: 3 }] };
      const text = [
        { progress: { step: 'unpack', files: 1 } },
        { progress: { step: 'unpack', files: 3, bytes: 1, totalBytes: 1 } },
        { ok: true, result },
      ]
        .map((line) => `${JSON.stringify(line)}\n`)
        .join('');
      const middle = Math.floor(text.length / 3);
      socket.write(text.slice(0, middle), () => {
        setImmediate(() => socket.end(text.slice(middle)));
      });
    });
    const seen: AdminProgress[] = [];
    const { socketPath } = daemon;
    const onProgress = (progress: AdminProgress): void => void seen.push(progress);
    await callAdmin('image.import', { name: 'base', path: resolved('/x') }, { socketPath, onProgress });
    expect(seen.map(({ files }) => files)).toEqual([1, 3]);
  });

  it('takes a list in pieces, and only from a verb that has one', async () => {
    const change = { kind: 'A', path: '/etc/motd' };
    const lines = [
      { part: [change] },
      { part: [change, change] },
      { ok: true, result: { user: 'ada', changes: 3 } },
    ];
    await using daemon = await FakeDaemon.start(raw(...lines.map((line) => `${JSON.stringify(line)}\n`)));
    const pieces: number[] = [];
    const options = {
      socketPath: daemon.socketPath,
      onPart: (part: unknown[]) => void pieces.push(part.length),
    };
    expect(await callAdmin('diff', { user: 'ada' }, options)).toEqual({ user: 'ada', changes: 3 });
    expect(pieces).toEqual([1, 2]);
    await expect(askVersion(raw('{"part":[]}\n'))).rejects.toMatchObject({ code: 'E_PROTOCOL' });
  });

  it('passes on what the daemon says went wrong', async () => {
    const error = { code: 'E_NOT_FOUND', message: 'no image x', hint: 'See image ls.', exitCode: 66 };
    await expect(askVersion(raw(`${JSON.stringify({ ok: false, error })}\n`))).rejects.toMatchObject(error);
  });

  it.each([
    ['no JSON', raw('hello\n')],
    ['an unknown answer', raw('{"fine":1}\n')],
    ['a result of another shape', raw('{"ok":true,"result":{"version":1}}\n')],
    [
      'a result with an unknown key',
      raw(`${JSON.stringify({ ok: true, result: { ...versionResult, extra: 1 } })}\n`),
    ],
    ['an endless line', raw('x'.repeat(adminMaxAnswerBytes + 1))],
  ] satisfies [string, Respond][])('rejects %s', async (_what, respond) => {
    await expect(askVersion(respond)).rejects.toMatchObject({ code: 'E_PROTOCOL' });
  });

  it.each([
    ['with nothing', raw()],
    ['in the middle of a line', raw('{"ok":true')],
    ['at once', (_request, socket) => socket.destroy()],
  ] satisfies [string, Respond][])('says that a daemon has gone that ends %s', async (_what, respond) => {
    const error = { code: 'E_DAEMON_DOWN', what: 'dockershd has gone before it answered' };
    await expect(askVersion(respond)).rejects.toMatchObject(error);
  });

  it('gives up on a daemon that says nothing', async () => {
    await expect(askVersion(() => undefined, 50)).rejects.toMatchObject({ code: 'E_TIMEOUT', exitCode: 75 });
  });

  it('says that the daemon is not running', async () => {
    const absent = callAdmin('ps', {}, { socketPath: '/tmp/dockersh-test-none/admin.sock' });
    await expect(absent).rejects.toMatchObject({ code: 'E_DAEMON_DOWN', what: 'dockershd is not running' });
  });

  it('says that a socket without a listener is a daemon that is not running', async () => {
    const folder = await mkdtemp('/tmp/dockersh-test-');
    try {
      const path = join(folder, 'admin.sock');
      await writeFile(path, '');
      const call = callAdmin('ps', {}, { socketPath: path });
      await expect(call).rejects.toMatchObject({ code: 'E_DAEMON_DOWN' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says that the caller may not use the socket', async () => {
    await using daemon = await FakeDaemon.start(answerOk(versionResult));
    await chmod(daemon.socketPath, 0);
    const isRoot = process.getuid?.() === 0;
    // Root may use every socket; the tests also run as root, so somebody else asks.
    if (isRoot) process.seteuid?.(65_534);
    try {
      const call = callAdmin('version', {}, { socketPath: daemon.socketPath });
      await expect(call).rejects.toMatchObject({ code: 'E_ACCESS', exitCode: 77 });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});
