// A real dockershd whose command or which itself is killed in the middle of something, and the questions
// afterwards: is everything there that was whole, is nothing half made to be seen, is nothing left over?

import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { callAdmin } from '../../../../src/cli/client.ts';
import { hasErrno } from '../../../../src/lib/errors.ts';
import type { AdminParams, AdminResult, AdminVerb } from '../../../../src/protocol/admin.ts';
import type { Host } from '../../../fixtures/host.ts';
import { mountsOf } from '../../../fixtures/leaks.ts';
import { ctlBundle, nodeProgram } from '../../../fixtures/paths.ts';
import { Running, waitUntil } from '../../../fixtures/process.ts';
import { type Moment, type Span, verifyEvery } from './kill-moments.ts';

export interface Image {
  readonly name: string;
  readonly digest: string;
}

export class KillHost {
  readonly host: Host;
  #verified = 0;

  constructor(host: Host) {
    this.host = host;
  }

  command(...args: string[]): Running {
    return new Running(
      nodeProgram,
      [ctlBundle, '--socket', join(this.host.runFolder, 'admin.sock'), '--json', ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
  }

  /** What a command would ask, without starting one. */
  async ask<Verb extends AdminVerb>(verb: Verb, params: AdminParams<Verb>): Promise<AdminResult<Verb>> {
    return await callAdmin(verb, params, { socketPath: join(this.host.runFolder, 'admin.sock') });
  }

  /** When the daemon is at it, in milliseconds from the start of the command, where nobody disturbs it. */
  async timed(...args: string[]): Promise<Span> {
    const duration = async (...words: string[]): Promise<number> => {
      const start = performance.now();
      await this.host.ctlOk(...words);
      return performance.now() - start;
    };
    const startMs = Math.min(await duration('logins'), await duration('logins'));
    const endMs = await duration(...args);
    process.stderr.write(`${args.slice(0, 2).join(' ')}: ${startMs.toFixed()} to ${endMs.toFixed()} ms\n`);
    return { startMs: startMs * 0.8, endMs };
  }

  /** Starts the command, kills at the moment, and has a daemon run again. True: it had told of its success. */
  async interrupt(moment: Moment, ...args: string[]): Promise<boolean> {
    return await this.interruptOnce(moment, async () => {}, ...args);
  }

  /** The same; the moment is counted from when `begun` resolves. */
  async interruptOnce(
    moment: Moment,
    begun: (command: Running) => Promise<void>,
    ...args: string[]
  ): Promise<boolean> {
    await using command = this.command(...args);
    await begun(command);
    await sleep(moment.afterMs);
    if (moment.victims !== 'daemon') command.kill('SIGKILL');
    await this.host.killDaemon(moment.victims === 'command' ? 'SIGTERM' : 'SIGKILL');
    const { code } = await command.finished();
    await this.host.startDaemon();
    return code === 0;
  }

  /** Whether the daemon has something open whose path begins so. */
  daemonHas(start: string): boolean {
    const folder = `/proc/${this.host.daemonPid}/fd`;
    return readdirSync(folder).some((fd) => linkOf(join(folder, fd)).startsWith(start));
  }

  async images(): Promise<Image[]> {
    const { images } = await this.ask('image.ls', {});
    return images.filter(({ virtual }) => !virtual).map(({ name, digest }) => ({ name, digest }));
  }

  async digestOf(name: string): Promise<string | undefined> {
    return (await this.images()).find((image) => image.name === name)?.digest;
  }

  async remove(name: string): Promise<void> {
    await this.ask('image.rm', { name });
  }

  /** Nothing is damaged, and nothing is there that nobody would look for. */
  async expectWhole(about: string): Promise<void> {
    const layers = this.#verified % verifyEvery === 0;
    this.#verified += 1;
    expect((await this.ask('image.verify', { layers })).problems, about).toEqual([]);
    await this.expectNoLeftovers(about);
  }

  async expectNoLeftovers(about: string): Promise<void> {
    const { stateFolder } = this.host;
    const store = join(stateFolder, 'images');
    const tmp = join(stateFolder, 'tmp');
    expect(existsSync(tmp) ? await readdir(tmp) : [], about).toEqual([]);
    const names = (await readdir(stateFolder)).filter((name) => name !== 'stand-in' && name !== 'tmp');
    expect(names.sort(), about).toEqual([
      'boot-id',
      'ids.json',
      'images',
      'last-good-policy.json',
      'logins.jsonl',
      'network.json',
      'reserve',
      'users',
    ]);
    expect((await readdir(store)).sort(), about).toEqual(
      [
        'blobs',
        'chains',
        'host',
        'host-boot-id',
        'index.json',
        'layers',
        'lock',
        'oci-layout',
        'origins',
        'tmp',
      ].sort(),
    );
    const half = (await readdir(join(store, 'tmp'))).filter((name) => !name.startsWith('partial-'));
    expect(half, about).toEqual([]);
    for (const layer of await readdir(join(store, 'layers/sha256'))) {
      expect((await readdir(join(store, 'layers/sha256', layer))).sort(), about).toEqual([
        'layer.json',
        'tree',
      ]);
    }
    for (const chain of await readdir(join(store, 'chains/sha256'))) {
      const names = await readdir(join(store, 'chains/sha256', chain));
      const others = names.filter((name) => name !== 'passwd' && name !== 'group');
      expect(others.sort(), about).toEqual(['chain.json', 'tree']);
    }
    for (const uid of await readdir(join(stateFolder, 'users'))) {
      const known = new Set(['home', 'identity', 'layer', 'notices.json', 'owner.json', 'snapshots']);
      const strange = async (): Promise<string[]> =>
        (await readdir(join(stateFolder, 'users', uid))).filter((name) => !known.has(name));
      // A notice is being written while a sandbox starts.
      await expect.poll(strange, { message: about, timeout: 2_000 }).toEqual([]);
      const layer = await readdir(join(stateFolder, 'users', uid, 'layer'));
      expect(
        layer.filter((name) => !['base.json', 'upper', 'work'].includes(name)),
        about,
      ).toEqual([]);
      const snapshots = join(stateFolder, 'users', uid, 'snapshots');
      const names = existsSync(snapshots) ? await readdir(snapshots) : [];
      expect(
        names.filter((name) => name.startsWith('.')),
        about,
      ).toEqual([]);
    }
    expect(mountsOf(this.host), about).toEqual([]);
    await waitUntil(
      () => this.#strays().length === 0,
      `helpers to be gone, ${about}`,
      5_000,
      () => this.#strays().join('\n'),
    );
  }

  /** Programs that only run for a daemon that waits for them. */
  #strays(): string[] {
    return this.host
      .processes()
      .filter(
        ({ exe, pid }) => exe.startsWith('dockersh-layer') || (exe === 'node' && pid !== this.host.daemonPid),
      )
      .map(({ pid, command }) => `${pid} ${command}`);
  }

  /** Garbage collection leaves no byte that no name, sandbox or layer leads to. */
  async expectNoGarbage(about: string): Promise<void> {
    await this.ask('image.gc', {});
    expect((await this.ask('image.du', {})).unnamedBytes, about).toBe(0);
  }
}

/** Empty where it has been closed meanwhile. */
function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return '';
  }
}
