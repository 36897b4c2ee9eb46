// Tests the register of networks: indexes of users, pools, and changes of the host.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetworkState } from '../../../src/isolation/network/state.ts';
import { Sysctls } from '../../../src/isolation/network/sysctls.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'dockersh-unit-'));
  file = path.join(folder, 'network.json');
});
afterEach(async () => await rm(folder, { recursive: true }));

const uid = (number: number): Uid => Uid.parse(number);
const open = async (older = false) => await NetworkState.open(file, async () => await Promise.resolve(older));

describe('the register of networks', () => {
  it('settles once which network is the default', async () => {
    expect((await open(true)).defaultNetwork).toBe('none');
    expect((await open(false)).defaultNetwork).toBe('none');
    await rm(file);
    expect((await open(false)).defaultNetwork).toBe('private');
    expect((await open(true)).defaultNetwork).toBe('private');
  });

  it('gives each user an index that stays', async () => {
    const state = await open();
    expect(await Promise.all([1000, 1001, 1000, 1002].map((one) => state.indexOf(uid(one))))).toEqual([
      0, 1, 0, 2,
    ]);
    const again = await open();
    expect(again.knownIndexOf(uid(1002))).toBe(2);
    expect(await again.indexOf(uid(1003))).toBe(3);
  });

  it('gives the index of a user who is forgotten to somebody else', async () => {
    const state = await open();
    for (const one of [1000, 1001]) await state.indexOf(uid(one));
    await state.release(uid(1000));
    await state.release(uid(4711));
    expect(state.knownIndexOf(uid(1000))).toBeUndefined();
    expect(await state.indexOf(uid(1005))).toBe(0);
    expect((await open()).knownIndexOf(uid(1001))).toBe(1);
  });

  it('keeps pools', async () => {
    const state = await open();
    expect(state.pools).toMatchObject({ pool4: null, pool6: null });
    await state.keepPools({ pool4: { family: 4, address: '10.213.0.0', prefix: 16 } });
    expect((await open()).pools).toMatchObject({ pool4: { address: '10.213.0.0', prefix: 16 }, pool6: null });
  });

  it('refuses a file that is not what it wrote', async () => {
    await open();
    const text = await readFile(file, 'utf8');
    for (const broken of [
      '',
      '{}',
      text.replace('"version":1', '"version":2'),
      text.replace('"users":{}', '"users":{"1":0,"2":0}'),
    ]) {
      await writeFile(file, broken);
      await expect(open()).rejects.toMatchObject({ code: 'E_INTERNAL' });
    }
  });

  it('changes nothing where it cannot be written', async () => {
    const state = await open();
    await rm(folder, { recursive: true });
    await expect(state.indexOf(uid(1000))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(state.knownIndexOf(uid(1000))).toBeUndefined();
    await mkdir(folder);
    expect(await state.indexOf(uid(1000))).toBe(0);
  });
});

describe('settings of the host', () => {
  const name = 'net/ipv4/conf/eth0/forwarding';
  const read = async () => await readFile(path.join(folder, name), 'utf8');
  const write = async (text: string) => await writeFile(path.join(folder, name), text);
  beforeEach(async () => {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await write('0\n');
  });

  it('are put back, by another daemon as well', async () => {
    await new Sysctls(await open(), folder, 'one').set(name, '1');
    expect(await read()).toBe('1');
    const later = new Sysctls(await open(), folder, 'one');
    await later.set(name, '1');
    expect(later.held()).toEqual([name]);
    await later.restore();
    expect(await read()).toBe('0');
    expect((await open()).changed.files).toEqual({});
  });

  it('stay as they are where they are as they should be, or somebody else has changed them', async () => {
    const sysctls = new Sysctls(await open(), folder, 'one');
    await write('1\n');
    await sysctls.set(name, '1');
    await sysctls.restore();
    expect(await read()).toBe('1\n');
    await write('0');
    await sysctls.set(name, '1');
    await write('2');
    await sysctls.restore();
    expect(await read()).toBe('2');
  });

  it('are forgotten when the system starts anew', async () => {
    await new Sysctls(await open(), folder, 'one').set(name, '1');
    const later = new Sysctls(await open(), folder, 'two');
    expect(later.held()).toEqual([]);
    await later.restore();
    expect(await read()).toBe('1');
    expect((await open()).changed.files).toEqual({});
  });
});
