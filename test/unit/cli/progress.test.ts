// Tests of progress on a terminal, in plain lines and as JSON.

import { describe, expect, it } from 'vitest';
import type { AdminProgress } from '../../../src/protocol/admin.ts';
import { cli, FakeDaemon } from './fake-daemon.ts';

const steps: AdminProgress[] = [
  { step: 'Pulling lab/base' },
  { id: '0123456789ab', step: 'Downloading', bytes: 1024 ** 2, totalBytes: 4 * 1024 ** 2 },
  { id: '0123456789ab', step: 'Downloading', bytes: 2 * 1024 ** 2, totalBytes: 4 * 1024 ** 2 },
  { id: 'ba9876543210', step: 'Waiting' },
  { id: '0123456789ab', step: 'Pull complete' },
];
const result = {
  name: 'lab/base:latest',
  from: 'docker.io/lab/base:latest',
  digest: 'sha256:00',
  remoteDigest: 'sha256:01',
  platform: 'linux/amd64',
  native: true,
  mirror: null,
  layers: 2,
  layersShared: 0,
  bytesReceived: 5,
  changed: true,
};

async function pull(args: readonly string[], terminal?: { columns: number }, told = steps) {
  await using daemon = await FakeDaemon.start((_request, socket) => {
    const lines = [...told.map((progress) => ({ progress })), { ok: true, result }];
    socket.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });
  return await cli(['--socket', daemon.socketPath, 'image', 'pull', 'lab/base', ...args], terminal);
}

describe('progress', () => {
  it('is a line for every new step where there is no terminal, and never on stdout', async () => {
    const { stdout, stderr } = await pull([]);
    expect(stderr.split('\n')).toEqual([
      'Pulling lab/base',
      '0123456789ab: Downloading, 1M of 4M',
      'ba9876543210: Waiting',
      '0123456789ab: Pull complete',
      '',
    ]);
    expect(stdout.split('\n')).toEqual([
      'Digest: sha256:00',
      'Status: Downloaded newer image for lab/base:latest',
      'docker.io/lab/base:latest',
      '',
    ]);
  });

  it('is written over on a terminal, with a bar; what has a name stays', async () => {
    const { stderr } = await pull([], { columns: 80 });
    expect(stderr).toContain('0123456789ab: Downloading [===============>');
    expect(stderr).toContain('2M/4M');
    const screen = stderr.slice(stderr.lastIndexOf('\x1b[3A'));
    expect(screen).toContain('0123456789ab: Pull complete\n');
    expect(screen).not.toContain('Pulling');
  });

  it('fits a narrow terminal, and carries no control characters', async () => {
    const evil: AdminProgress[] = [
      { id: 'x', step: `\x1b]0;title\x07${'y'.repeat(60)}`, bytes: 1, totalBytes: 2 },
    ];
    const { stderr } = await pull([], { columns: 20 }, evil);
    expect(stderr).not.toContain('\x1b]0');
    const lines = stderr.split('\n').map((line) => line.split('\x1b[K').at(-1) ?? '');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(20);
  });

  it('is JSON, or nothing, when asked for', async () => {
    const { stderr } = await pull(['--progress', 'json']);
    const lines = stderr.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { progress: unknown }).progress)).toEqual(steps);
    expect((await pull(['--progress', 'quiet'])).stderr).toBe('');
    const json = await pull(['--json']);
    expect(json.stderr).toBe('');
    expect(JSON.parse(json.stdout)).toEqual(result);
  });
});
