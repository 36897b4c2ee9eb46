// Devices of the host: those that the policy gives are there, as it gives them, and no others.

import { rm, symlink } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

// Nodes of our own with the numbers of devices that every Linux has: /dev/fuse and /dev/net/tun, disks and memory.
const prefix = `/dev/dockersh-test-${process.pid}`;
const made: string[] = [];
async function node(name: string, kind: 'c' | 'b', major: number, minor: number): Promise<string> {
  const path = `${prefix}-${name}`;
  await runOk('mknod', ['-m', '600', path, kind, String(major), String(minor)]);
  made.push(path);
  return path;
}
afterAll(async () => {
  for (const path of made) await rm(path, { force: true });
});

async function withDevices(login: Login, settings: PolicySection): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '0' },
    users: { [login.user.name]: settings },
  });
  await world().host.ctlOk('stop', login.user.name);
}

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.stderr.toString(), describeFinished(result)).toBe('');
  return result.stdout.toString();
}

async function expectRefused(login: Login, reason: RegExp): Promise<void> {
  const result = await login.ssh('echo in');
  expect(result.code, describeFinished(result)).toBe(125);
  expect(result.stderr.toString()).toMatch(/E_DEVICE/);
  expect(JSON.stringify(world().host.logRecords().slice(-5))).toMatch(reason);
}

/** What opening it for reading, writing and both comes to. */
const opens = (path: string): string =>
  `for how in "<" ">>" "<>"; do (eval "exec 3$how ${path}") 2>/dev/null && echo "$how opens" || echo "$how refused"; done`;
const all = '< opens\n>> opens\n<> opens\n';
const none = '< refused\n>> refused\n<> refused\n';

describe.skipIf(control)('devices that are given', () => {
  it('that are given can be opened, with :r for reading alone, and nobody inside changes that', async () => {
    const login = await world().addLogin('shell');
    const [fuse, tun] = [await node('fuse', 'c', 10, 229), await node('tun', 'c', 10, 200)];
    await withDevices(login, { devices: `${fuse} ${tun}:r` });
    expect(await output(login, opens(fuse))).toBe(all);
    expect(await output(login, opens(tun))).toBe('< opens\n>> refused\n<> refused\n');
    // Neither by another mode, nor by another name, nor in another place.
    const result = await login.ssh(
      `chmod 666 ${tun}; chown $(id -u) ${tun}; rm -f ${tun}; mv ${tun} /dev/shm/x; ln ${tun} /dev/shm/x; cp -a ${tun} ~/x; ${opens(tun)}; ls -l ~/x /dev/shm/x | wc -l; stat -c '%a %u' ${tun}`,
    );
    expect(result.stdout.toString(), describeFinished(result)).toMatch(
      /^< opens\n>> refused\n<> refused\n0\n444 65534\n$/,
    );
  });

  it('that are not given are not there, and cannot be made', async () => {
    const login = await world().addLogin('shell');
    const fuse = await node('other', 'c', 10, 229);
    await withDevices(login, {});
    expect(
      await output(
        login,
        `ls ${fuse} 2>&1 | grep -c "No such file"; ls /dev/fuse /dev/net 2>&1 | grep -c "No such"`,
      ),
    ).toBe('1\n2\n');
    const tried = await login.ssh(
      `for at in ~ /tmp /dev /dev/shm /run/user/$(id -u) /var/tmp; do mknod $at/n c 10 229 2>/dev/null && echo made; done; (cd /proc/1/root/dev && ls fuse) 2>/dev/null; true`,
    );
    expect(tried.stdout.toString(), describeFinished(tried)).toBe('');
    // A node that root of the host has put into the user's home works no more than one that was never there.
    await runOk('mknod', [
      '-m',
      '666',
      `${world().host.stateFolder}/users/${login.user.uid}/home/n`,
      'c',
      '10',
      '229',
    ]);
    expect(await output(login, `ls ~/n | wc -l; ${opens('~/n')}`)).toBe(`1\n${none}`);
  });

  it('by a glob are those that there are', async () => {
    const login = await world().addLogin('shell');
    const [one, two] = [await node('a1', 'c', 10, 229), await node('a2', 'c', 10, 200)];
    await node('b', 'c', 10, 229);
    await node('a3', 'b', 7, 0);
    await symlink('/etc/passwd', `${prefix}-a4`);
    made.push(`${prefix}-a4`);
    await withDevices(login, { devices: `${prefix}-a* /dev/dsh-nothing-like-it*` });
    expect(await output(login, `ls ${prefix}-*`)).toBe(`${one}\n${two}\n`);
  });

  it('in folders are where they are on the host', async () => {
    const login = await world().addLogin('shell');
    const folder = `${prefix}-folder`;
    made.push(folder);
    await runOk('mkdir', ['-p', `${folder}/deep`]);
    await runOk('mknod', [`${folder}/deep/fuse`, 'c', '10', '229']);
    await withDevices(login, { devices: `${folder}/deep/fuse ${folder}/*` });
    expect(await output(login, opens(`${folder}/deep/fuse`))).toBe(all);
    await runOk('rm', ['-r', folder]);
  });
});

describe.skipIf(control)('devices', () => {
  it('that are missing refuse the login, or are named in the log where policy is not strict', async () => {
    const login = await world().addLogin('shell');
    const fuse = await node('strict', 'c', 10, 229);
    // With nothing else that this host may not be able to hold.
    const strict = { strict: 'yes', memory: 'none', pids: 'none' };
    await withDevices(login, { devices: `${prefix}-not-there ${fuse}`, ...strict });
    await expectRefused(login, /this host has no .*-not-there/);
    await withDevices(login, { devices: `${prefix}-not-there ${fuse}`, strict: 'no' });
    expect(await output(login, opens(fuse))).toBe(all);
    expect(JSON.stringify(world().host.logRecords())).toMatch(/missing.*-not-there.*devices are missing/);
  });

  it('that would give the host away are refused whatever their names are', async () => {
    const login = await world().addLogin('shell');
    await withDevices(login, { devices: await node('mem', 'c', 1, 1) });
    await expectRefused(login, /memory of the kernel/);
    await withDevices(login, { devices: await node('disk', 'b', 7, 0), strict: 'no' });
    await expectRefused(login, /block device/);
    await withDevices(login, { devices: await node('terminal', 'c', 4, 1) });
    await expectRefused(login, /terminal of the host/);
    await withDevices(login, { devices: await node('pts', 'c', 136, 0) });
    await expectRefused(login, /terminal of somebody/);
    await withDevices(login, { devices: await node('loop', 'c', 10, 237) });
    await expectRefused(login, /control of disks/);
    await symlink('/dev/null', `${prefix}-link`);
    made.push(`${prefix}-link`);
    await withDevices(login, { devices: `${prefix}-link` });
    await expectRefused(login, /a link/);
  });
});
