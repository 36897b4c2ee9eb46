// Tests of the daemon's log.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { DockershError } from '../../../src/lib/errors.ts';
import { createLogger, loggerTo } from '../../../src/lib/log.ts';

test('a line is in the file when the call returns', async () => {
  const folder = await mkdtemp('/tmp/dockersh-test-');
  try {
    const file = path.join(folder, 'log');
    const logger = createLogger({ file, level: 'info' });
    logger.debug('not this');
    logger.info({ uid: 1000 }, 'ready');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    const line: unknown = JSON.parse(lines[0] ?? '');
    expect(line).toMatchObject({ level: 'info', msg: 'ready', uid: 1000, pid: process.pid });
    expect((await stat(file)).mode & 0o077).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an error keeps its code and what the kernel said', () => {
  const lines: string[] = [];
  const logger = loggerTo({ write: (line) => void lines.push(line) }, 'info');
  const native = { syscall: 'mount', errno: 'EINVAL', object: '/x' };
  logger.error({ err: new DockershError('E_SANDBOX_START', { native }) }, 'start failed');
  const line: unknown = JSON.parse(lines[0] ?? '');
  expect(line).toMatchObject({ level: 'error', err: { code: 'E_SANDBOX_START', native } });
});

test('a program goes on when nobody reads its standard error any more', async () => {
  const module = new URL('../../../src/lib/log.ts', import.meta.url).href;
  const program = `
    const { createLogger } = await import(${JSON.stringify(module)});
    const logger = createLogger();
    process.stdin.on('data', () => {
      for (let i = 0; i < 10; i += 1) logger.info('to nobody');
      setTimeout(() => console.log('alive'), 10);
      process.stdin.pause();
    });
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  child.stdout.setEncoding('utf8');
  expect(await once(child.stdout, 'data')).toEqual(['ready\n']);
  child.stderr.destroy();
  await once(child.stderr, 'close');
  child.stdin.write('go\n');
  expect(await once(child.stdout, 'data')).toEqual(['alive\n']);
  child.stdin.end();
  expect(await once(child, 'close')).toEqual([0, null]);
});
