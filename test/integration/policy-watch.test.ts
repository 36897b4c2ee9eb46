// An edit of any kind counts for the very next question, though nothing is looked at while nothing happens.

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KeptPolicy } from '../../src/daemon/policy/kept-policy.ts';
import { PolicyStore } from '../../src/daemon/policy/policy-store.ts';
import type { UserRecord } from '../../src/isolation/engine.ts';
import { loadAddon } from '../../src/isolation/socket/seqpacket.ts';
import { createLogger } from '../../src/lib/log.ts';
import { Uid } from '../../src/lib/values/uid.ts';
import { buildFolder } from '../fixtures/paths.ts';
import { waitUntil } from '../fixtures/process.ts';

let folder = '';
let store: PolicyStore | undefined;
let told = 0;

const at = (...names: string[]): string => path.join(folder, 'etc', ...names);
const text = (image: string): string => `[user:tester]\nimage = ${image}\n`;
const write = (file: string, content: string): void => writeFileSync(file, content, { mode: 0o644 });

const tester: UserRecord = {
  name: 'tester',
  uid: Uid.parse(1000),
  gid: 1000,
  home: '/home/tester',
  shell: '/bin/bash',
  gecos: '',
  groups: [],
};

function imageNow(): string {
  const evaluation = store?.evaluate(tester);
  return evaluation?.kind === 'ok' ? evaluation.policy.image : 'none';
}

beforeAll(() => {
  loadAddon(path.join(buildFolder, 'addon.node'));
});
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  mkdirSync(at('conf.d'), { recursive: true });
  write(at('dockersh.ini'), text('one'));
  write(at('conf.d/a.ini'), '[defaults]\nimage = base\n');
});
afterEach(async () => {
  await store?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function follow(): Promise<PolicyStore> {
  await sleep(50);
  const log = createLogger({ level: 'debug', file: path.join(folder, 'log') });
  store = await PolicyStore.open(at('dockersh.ini'), log, new KeptPolicy(folder, at('dockersh.ini'), log));
  told = 0;
  store.follow(() => {
    told += 1;
  });
  await store.refresh();
  expect(store.refresh()).toBeUndefined();
  return store;
}

describe('an edit counts at once', () => {
  test.each<[string, () => void]>([
    ['in place', () => write(at('dockersh.ini'), text('two'))],
    [
      'of the same length, twice within a tick',
      () => {
        write(at('dockersh.ini'), text('xxx'));
        write(at('dockersh.ini'), text('two'));
      },
    ],
    [
      'by a new file in its place',
      () => {
        write(at('dockersh.ini.new'), text('two'));
        renameSync(at('dockersh.ini.new'), at('dockersh.ini'));
      },
    ],
    ['by another file', () => write(at('conf.d/b.ini'), text('two'))],
    ['in another file', () => appendFileSync(at('conf.d/a.ini'), text('two'))],
    [
      'by a folder in its place',
      () => {
        mkdirSync(path.join(folder, 'new'));
        write(path.join(folder, 'new/dockersh.ini'), text('two'));
        renameSync(at(), path.join(folder, 'old'));
        renameSync(path.join(folder, 'new'), at());
      },
    ],
  ])('%s', async (_, edit) => {
    const policy = await follow();
    edit();
    // No turn of the event loop in between: whoever logs in now comes after the edit.
    const reading = policy.refresh();
    expect(reading).toBeInstanceOf(Promise);
    await reading;
    expect(imageNow()).toBe('two');
  });

  test('and so does the next one, and the one after', async () => {
    const policy = await follow();
    for (const image of ['a', 'b', 'c', 'd', 'e']) {
      write(at('dockersh.ini'), text(image));
      await policy.refresh();
      expect(imageNow()).toBe(image);
    }
    rmSync(at('dockersh.ini'));
    await policy.refresh();
    expect(imageNow()).toBe('e'); // the last good one
    write(at('dockersh.ini'), text('f'));
    await policy.refresh();
    expect(imageNow()).toBe('f');
  });

  test('also through a link, whose target no watch of the folder sees', async () => {
    renameSync(at('conf.d/a.ini'), path.join(folder, 'elsewhere.ini'));
    symlinkSync(path.join(folder, 'elsewhere.ini'), at('conf.d/a.ini'));
    const policy = await follow();
    appendFileSync(path.join(folder, 'elsewhere.ini'), text('two'));
    await policy.refresh();
    expect(imageNow()).toBe('two');
  });

  test('also while the files are being read', async () => {
    const policy = await follow();
    write(at('dockersh.ini'), text('two'));
    const reading = policy.refresh();
    await sleep(1);
    write(at('dockersh.ini'), text('three'));
    await Promise.all([reading, policy.refresh()]);
    expect(imageNow()).toBe('three');
  });

  test('also in a conf.d that is listed at that moment', async () => {
    const policy = await follow();
    for (let round = 0; round < 60; round += 1) {
      rmSync(at('conf.d'), { recursive: true, force: true });
      await policy.refresh();
      mkdirSync(at('conf.d'));
      const reading = policy.refresh();
      const untilMs = performance.now() + round / 20;
      await new Promise<void>((resolve) => {
        const turn = (): void => {
          if (performance.now() < untilMs) setImmediate(turn);
          else resolve();
        };
        turn();
      });
      write(at('conf.d/b.ini'), text(`round-${round}`));
      await Promise.all([reading, policy.refresh()]);
      expect(imageNow()).toBe(`round-${round}`);
    }
  });
});

test('what follows is told without anybody asking', async () => {
  await follow();
  const before = told;
  write(at('dockersh.ini'), text('two'));
  await waitUntil(() => told > before, 'the edit to be noticed', 2000);
  expect(imageNow()).toBe('two');
});

test('what else happens around the files is no edit', async () => {
  const policy = await follow();
  write(at('.dockersh.ini.swp'), 'x');
  rmSync(at('.dockersh.ini.swp'));
  expect(policy.refresh()).toBeUndefined();
  expect(existsSync(at('dockersh.ini'))).toBe(true);
});
