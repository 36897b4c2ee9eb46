// Puts a connection process that has been taken over in the real one's place, of ssh and of the web page (test/fixtures/gateway/hostile.cjs): its monitor ends it as soon as
// it asks for what nobody who means well would, and it reaches nothing of the host's.

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import { makePair, type Pair } from '../../fixtures/gateway/certificate.ts';
import { useDaemonAndUser } from '../../fixtures/gateway/daemon.ts';
import type { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { buildFolder, checkout, nodeProgram } from '../../fixtures/paths.ts';
import { Running, runOk, waitUntil } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';

/** Whether a process has this among its arguments. */
function isSomebodyAt(argument: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(argument);
    } catch {
      return false; // it has just ended
    }
  });
}

const source = readFileSync(join(checkout, 'test/fixtures/gateway/hostile.cjs'), 'utf8');

function authorizedLine(key: KeyObject): string {
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
  const parts = [Buffer.from('ssh-ed25519'), raw].map((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return Buffer.concat([length, part]);
  });
  return `ssh-ed25519 ${Buffer.concat(parts).toString('base64')}\n`;
}

describe.skipIf(control)('a connection process that was taken over', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  let host: Host;
  let user: TestUser;
  let pair: Pair;
  const password = 'Sesame-77';
  const service = `dockersh-test-hostile-${process.pid}`;

  useDaemonAndUser(async (made) => {
    ({ host, user } = made);
    await mkdir(join(host.folder, 'keys'), { mode: 0o755 });
    await mkdir(join(host.folder, 'host-keys'), { mode: 0o700 });
    writeFileSync(join(host.folder, 'keys', user.name), authorizedLine(privateKey));
    pair = await makePair(host.folder, 'web');
    await runOk('chpasswd', [], { input: `${user.name}:${password}\n` });
    made.parts.defer(() => rmSync(`/etc/pam.d/${service}`, { force: true }));
    writeFileSync(
      `/etc/pam.d/${service}`,
      'auth required pam_unix.so nodelay\naccount required pam_unix.so\n',
    );
  });

  /** What the gateway, and the hostile process by its standard error, have said by when `until` is among it. */
  const attack = (name: string, until: RegExp, ...settings: string[]): Promise<string> =>
    attackBy('ssh', name, until, settings);

  const attackPage = (name: string, until: RegExp): Promise<string> =>
    attackBy('web', name, until, [
      ...[`web_certificate=${pair.certificate}`, `web_key=${pair.key}`, `pam_service=${service}`],
      ...['methods=password publickey', 'listen'],
    ]);

  async function attackBy(
    entry: 'ssh' | 'web',
    name: string,
    until: RegExp,
    settings: readonly string[],
  ): Promise<string> {
    const script = join(host.folder, `hostile-${entry}-${name}.cjs`);
    const facts = { ATTACK: name, USER: user.name, KEY: pem, PASSWORD: entry === 'web' ? password : '' };
    const head = Object.entries(facts).map(([key, value]) => `const ${key} = ${JSON.stringify(value)};\n`);
    writeFileSync(script, `${head.join('')}${source}`);
    chmodSync(script, 0o644);
    const port = await freePort();
    const set = [
      `${entry === 'web' ? 'web' : 'listen'}=127.0.0.1:${port}`,
      `authorized_keys_files=${join(host.folder, 'keys')}/%u`,
      ...settings,
    ];
    await using gateway = new Running(
      join(buildFolder, 'dockersh-gateway'),
      [
        ...[
          '--run',
          host.runFolder,
          '--libexec',
          buildFolder,
          '--client',
          host.client,
          '--node',
          nodeProgram,
        ],
        ...['--script', script, '--web-script', script, '--host-keys', join(host.folder, 'host-keys')],
        ...set.flatMap((setting) => ['--set', setting]),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    gateway.process.stderr?.on('data', (data: Buffer) => {
      said += data.toString();
    });
    const closed = await knock(port);
    try {
      await waitUntil(() => until.test(said), `${until} of ${name}; it said: ${said}`, 30_000);
      if (/is ended/.test(said)) await waitUntil(() => closed.done, 'the connection to be closed', 10_000);
    } catch (error) {
      throw new Error(`${name}: ${said}`, { cause: error });
    } finally {
      closed.end();
      gateway.kill('SIGTERM'); // of which monitors hear nothing
      await waitUntil(() => !isSomebodyAt(script), 'every monitor to end', 10_000);
    }
    return said;
  }

  async function knock(port: number): Promise<{ done: boolean; end: () => void }> {
    for (let attempt = 0; ; attempt += 1) {
      const socket = connect(port, '127.0.0.1');
      const state = { done: false, end: () => void socket.destroy() };
      socket.on('error', () => undefined);
      socket.on('close', () => {
        state.done = true;
      });
      socket.resume();
      await new Promise((resolve) => {
        socket.once('connect', resolve);
        socket.once('close', resolve);
      });
      if (!state.done) return state;
      if (attempt === 200) throw new Error('the gateway does not listen');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const ended = /The connection of 127\.0\.0\.1 is ended/;

  it.each([
    'session-before-login',
    'tell-before-login',
    'connect-before-login',
    'listen-before-login',
    'close-before-login',
    'auth-with-another-id',
    'auth-before-keys',
    'sign-anything',
    'sign-by-no-key',
    'prove-before-login',
    'prove-to-another-session',
    'prove-without-end',
    'descriptors',
    'no-message',
    'unknown-message',
    'answers-unasked',
    'another-user-afterwards',
    'session-twice',
    'descriptors-afterwards',
    'served',
  ])('is ended at once: %s', async (name) => {
    expect(await attack(name, ended)).not.toMatch(/hostile: failed|runs as root|as often as it likes/);
  });

  it('may guess only a few times', async () => {
    const said = await attack('guesses', /hostile: failed|is ended|has failed too often|guesses: as many/);
    expect(said).not.toContain('as many as it likes');
  });

  it('has the sessions of the user who has logged in, and no more of them than there may be', async () => {
    const said = await attack('sessions', /hostile: done/);
    expect(said).toContain(`hostile: runs as ${user.name}\n`);
    expect(said).toContain('hostile: sessions: 64\n');
  });

  it('reaches no service of the host’s through its sandbox', async () => {
    const said = await attack('connects', /hostile: done/);
    expect(said.match(/hostile: connects: .*/g)).toHaveLength(5);
    expect(said).not.toContain('reached');
  });

  it('can do nothing to the host by itself', async () => {
    const said = await attack('host', /hostile: done/);
    expect(said.match(/^hostile: \w+: (?!reached)\S+/gm)?.length).toBeGreaterThanOrEqual(13);
    expect(said).not.toContain('reached');
    expect(said).toContain('groups: nobody 1');
  });

  it('is ended when it takes too long, whatever it does', async () => {
    expect(await attack('hangs', /has not logged in in time/, 'grace_time=2')).not.toContain('done');
  });

  it.each([
    'session-before-login',
    'tell-before-login',
    'connect-before-login',
    'listen-before-login',
    'close-before-login',
    'sign-a-hash',
    'sign-anything',
    'descriptors',
    'no-message',
    'unknown-message',
    'answers-unasked',
    'served-twice',
    'another-user-afterwards',
    'session-twice',
    'descriptors-afterwards',
    'tell-afterwards',
    'connect-afterwards',
    'listen-afterwards',
    'close-afterwards',
  ])('of the web page is ended at once: %s', async (name) => {
    expect(await attackPage(name, ended)).not.toMatch(/hostile: failed|runs as root/);
  });

  it('of the web page shows no key, and has the sessions of the user whose password it knows', async () => {
    expect(await attackPage('key', /hostile: done/)).toContain('hostile: key: refused');
    expect(await attackPage('sessions', /hostile: done/)).toContain(`hostile: runs as ${user.name}\n`);
  });

  it('of the web page can do nothing to the host by itself', async () => {
    const said = await attackPage('host', /hostile: done/);
    expect(said.match(/^hostile: \w+: (?!reached)\S+/gm)?.length).toBeGreaterThanOrEqual(13);
    expect(said).not.toContain('reached');
  });
});
