// Gathers the facts that the checks look at. What takes time is found out once, when the first check asks.

import { join } from 'node:path';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { hostImageName } from '../../lib/text/image-name.ts';
import { networkStateName, recordedDefault, withOlderNetwork } from '../../policy/network/older.ts';
import type { ParsedPolicy } from '../../policy/parse/assemble.ts';
import { loadPolicyFile } from '../../policy/parse/load.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { findClient, libexecFolder } from '../host/installation.ts';
import { listMounts, type Mount } from '../host/mounts.ts';
import type { SshdQuestion } from '../host/sshd-settings.ts';
import { type ProbeAnswers, runProbe } from './probe.ts';
import { findSubjects, type Subjects } from './subjects.ts';

export interface DoctorOptions {
  readonly sshd: SshdQuestion;
  readonly client: string | undefined;
  readonly config: string | undefined;
  readonly state: string | undefined;
}

export type DaemonAnswer =
  | { readonly ok: true; readonly version: string; readonly health: AdminResult<'health'> }
  | { readonly ok: false; readonly problem: string; readonly hint: string };

/** unknown: nobody tells. */
export type ImageState = 'there' | 'missing' | 'damaged' | 'unknown' | ForeignImage;

/** It is there, for another machine. */
export interface ForeignImage {
  readonly machine: string;
}

export interface Paths {
  readonly config: string;
  readonly state: string;
  readonly run: string;
  readonly libexec: string;
}

const lazy = <T>(work: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: work() };
    return made.value;
  };
};

function clientOf(options: DoctorOptions): string | undefined {
  try {
    return findClient(options.client);
  } catch (error) {
    if (!(error instanceof CliFailure)) throw error;
    return undefined; // a check of its own says so
  }
}

export class Context {
  readonly cli: Console;
  readonly sshd: SshdQuestion;
  /** The login client; undefined where none is installed. */
  readonly client: string | undefined;
  readonly isRoot = process.geteuid?.() === 0;
  readonly #options: DoctorOptions;

  private constructor(cli: Console, options: DoctorOptions, client: string | undefined) {
    this.cli = cli;
    this.sshd = options.sshd;
    this.client = client;
    this.#options = options;
  }

  static of(cli: Console, options: DoctorOptions): Context {
    return new Context(cli, options, clientOf(options));
  }

  readonly daemon = lazy(async (): Promise<DaemonAnswer> => {
    try {
      const { version } = await this.cli.call('version', {});
      return { ok: true, version, health: await this.cli.call('health', {}) };
    } catch (error) {
      if (error instanceof CliFailure) return { ok: false, problem: error.message, hint: error.hint ?? '' };
      if (error instanceof DockershError) return { ok: false, problem: error.message, hint: error.hint };
      throw error;
    }
  });

  /** As the daemon says; where it does not run, as it would by default. */
  readonly paths = lazy(async (): Promise<Paths> => {
    const daemon = await this.daemon();
    const { config, state } = this.#options;
    const known = daemon.ok ? daemon.health : undefined;
    return {
      config: config ?? known?.config ?? '/etc/dockersh/dockersh.ini',
      state: state ?? known?.state ?? '/var/lib/dockersh',
      run: known?.run ?? '/run/dockersh',
      libexec: known?.libexec ?? libexecFolder(),
    };
  });

  readonly policy = lazy(async (): Promise<ParsedPolicy> => {
    const { config, state } = await this.paths();
    const { policy, problems } = await loadPolicyFile(config);
    if (policy === undefined) return { problems };
    const older = (await recordedDefault(state)) === 'none';
    return { policy: older ? withOlderNetwork(policy, join(state, networkStateName)) : policy, problems };
  });

  /** The accounts that have a sandbox. */
  readonly subjects = lazy(async (): Promise<Subjects> => await findSubjects(this));

  readonly #images = new Map<string, Promise<ImageState>>();

  /** Whether an image is there; asked once, however many users have it. */
  imageState(name: string): Promise<ImageState> {
    const state = this.#images.get(name) ?? this.#askForImage(name);
    this.#images.set(name, state);
    return state;
  }

  /** Undefined: the policy in force lets it run, or the daemon does not say. */
  async whyUntrusted(name: string): Promise<string | undefined> {
    try {
      return (await this.cli.call('image.untrusted', { names: [name] })).untrusted[0]?.why;
    } catch (error) {
      if (error instanceof CliFailure || error instanceof DockershError) return undefined;
      throw error;
    }
  }

  async #askForImage(name: string): Promise<ImageState> {
    if (name === hostImageName) return 'there';
    try {
      const { os, architecture, variant, fitsMachine } = await this.cli.call('image.inspect', { name });
      return fitsMachine ? 'there' : { machine: [os, architecture, variant ?? []].flat().join('/') };
    } catch (error) {
      const code = error instanceof CliFailure || error instanceof DockershError ? error.code : undefined;
      if (code === undefined) throw error;
      if (code === 'E_NOT_FOUND' || code === 'E_IMAGE_MISSING') return 'missing';
      return code === 'E_IMAGE_BROKEN' ? 'damaged' : 'unknown';
    }
  }

  readonly mounts = lazy((): readonly Mount[] => listMounts());

  /** What the kernel answers; undefined where nobody could ask it. */
  readonly probe = lazy(async (): Promise<ProbeAnswers | undefined> => {
    if (!this.isRoot) return undefined;
    const { libexec, state } = await this.paths();
    try {
      return await runProbe(join(libexec, 'dockersh-probe'), state, this.mounts());
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'EACCES')) return undefined; // checked as a program of the installation
      throw error;
    }
  });
}
