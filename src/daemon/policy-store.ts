// The policy in force. Whether a file has changed is asked before every login; an edit takes effect with the
// next one, a broken edit is logged and changes nothing.

import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Controller, LimitKey } from '../isolation/cgroup-limits.ts';
import type { UserRecord } from '../isolation/engine.ts';
import { FileWatch } from '../isolation/file-watch.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { evaluate } from '../policy/evaluate.ts';
import type { Subject } from '../policy/expand.ts';
import { type Explanation, explain, texts } from '../policy/explain.ts';
import { confFolderOf, type LoadedPolicy, PolicyFiles, stampOf } from '../policy/load.ts';
import type { Evaluation, HostPolicy, ImagesPolicy, Policy, SectionPolicy } from '../policy/policy.ts';
import { formatProblem, type Problem } from '../policy/problem.ts';
import { type UserSettings, userSettings } from '../policy/user-file.ts';

type LastReading = Pick<LoadedPolicy, 'files' | 'stamp' | 'settled'>;

/** How often it is looked for what no event tells: another file system mounted over the files, say. */
const lookAgainMs = 5000;
/** Somebody who edits without end does not keep logins waiting. */
const mostReadings = 5;

export class PolicyStore implements Disposable {
  readonly #file: string;
  readonly #log: Logger;
  readonly #files: PolicyFiles;
  #policy: Policy;
  #last: LastReading;
  #loading: Promise<void> | undefined;
  #broken = false;
  #watch: FileWatch | undefined;
  #following: { readonly timer: NodeJS.Timeout; readonly changed: () => void } | undefined;
  /** By the account as it was looked up: another look-up makes another record. */
  #evaluations = new WeakMap<UserRecord, Evaluation>();

  private constructor(file: string, log: Logger, files: PolicyFiles, policy: Policy, last: LastReading) {
    this.#file = file;
    this.#log = log;
    this.#files = files;
    this.#policy = policy;
    this.#last = last;
  }

  /** Throws E_POLICY_INVALID or E_UNTRUSTED_PATH, with every problem named. */
  static async open(file: string, log: Logger): Promise<PolicyStore> {
    const files = new PolicyFiles(file);
    const { policy, problems, ...last } = await files.load();
    if (policy === undefined) {
      const [first] = problems.filter(({ severity }) => severity === 'error');
      throw new DockershError(first?.code ?? 'E_POLICY_INVALID', {
        why: problems.map(formatProblem).join('\n'),
      });
    }
    logProblems(log, problems);
    return new PolicyStore(file, log, files, policy, last);
  }

  /**
   * From now on the policy is read again by itself when a file changes, and `changed` is called then, so that
   * what runs can follow. The addon must have been loaded.
   */
  follow(changed: () => void): void {
    const timer = setInterval(() => this.#look(), lookAgainMs);
    timer.unref();
    this.#following = { timer, changed };
    this.#rewatch();
    this.#look();
  }

  #look(): void {
    this.#watch?.changed();
    this.#refreshed(true)?.catch((error: unknown) => this.#log.error({ err: error }, 'policy'));
  }

  /** Undefined while nothing has to be waited for. */
  refresh(): Promise<void> | undefined {
    return this.#refreshed(this.#watch?.changed() ?? true);
  }

  /** `look`: something may have changed since the files were last looked at. */
  #refreshed(look: boolean): Promise<void> | undefined {
    if (this.#loading !== undefined) return this.#loading;
    if (this.#last.settled && (!look || this.#isCurrent())) return undefined;
    this.#loading = this.#loadUntilCurrent().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  #isCurrent(): boolean {
    return stampOf(this.#file, this.#last.files) === this.#last.stamp;
  }

  /** Whoever waits for this may have come after an edit that was made while the files were being read. */
  async #loadUntilCurrent(): Promise<void> {
    for (let reading = 0; reading < mostReadings; reading += 1) {
      await this.#load();
      this.#rewatch();
      if (this.#isCurrent()) return;
    }
  }

  #rewatch(): void {
    if (this.#following === undefined) return;
    this.#watch?.[Symbol.dispose]();
    const folder = confFolderOf(this.#file);
    const places = [...(existsSync(folder) ? [folder] : []), ...this.#last.files];
    this.#watch = FileWatch.of(places, () => this.#look());
  }

  async #load(): Promise<void> {
    const before = this.#last;
    const { policy, problems, ...last } = await this.#files.load();
    this.#last = last;
    this.#broken = policy === undefined;
    // Read once more only because the clock had not moved on: there is nothing new to say.
    if (before.stamp === last.stamp && policy !== undefined) {
      this.#take(policy);
      return;
    }
    logProblems(this.#log, problems);
    if (policy === undefined) {
      this.#log.error({ file: this.#file }, 'the policy is broken; the last good one stays in force');
      return;
    }
    this.#take(policy);
    this.#log.info({ file: this.#file, files: last.files.length }, 'policy loaded');
  }

  #take(policy: Policy): void {
    this.#policy = policy;
    this.#evaluations = new WeakMap();
    this.#following?.changed();
  }

  /** What all sandboxes together may take. */
  get host(): HostPolicy {
    return this.#policy.host;
  }

  /** What holds for all images, as the policy in force has it. */
  get images(): ImagesPolicy {
    return this.#policy.images;
  }

  /** What the policy says of an account, key by key, as it would be written. */
  settingsOf(user: UserRecord, own: readonly SectionPolicy[]): Record<string, string> {
    return Object.fromEntries(texts(this.#policy, subjectOf(user), own));
  }

  /** What counts of a user's own file. */
  userSettings(user: UserRecord, text: string): UserSettings {
    return userSettings(text, this.#policy, subjectOf(user));
  }

  evaluateWith(user: UserRecord, own: readonly SectionPolicy[]): Evaluation {
    return evaluate(this.#policy, subjectOf(user), own);
  }

  /** Whether anybody may get something else than no limit. */
  sets(key: LimitKey): boolean {
    const { defaults, imageSections, groups, userGlobs, users, builtin } = this.#policy;
    const named = [...imageSections, ...groups, ...userGlobs].map(({ section }) => section);
    const isSet = (value: unknown): boolean =>
      value !== undefined && value !== null && value !== withoutEffect[key];
    return (
      (isSet(builtin[key]) && !defaults.some(({ values }) => values[key] === null)) ||
      [...defaults, ...named, ...[...users.values()].flat()].some(({ values }) => isSet(values[key]))
    );
  }

  /** Controllers that not every policy has a use for. */
  rareControllers(): Set<Controller> {
    const io = (['io_read', 'io_write', 'io_read_ops', 'io_write_ops'] as const).some((key) =>
      this.sets(key),
    );
    return new Set([...(this.sets('cpuset') ? ['cpuset' as const] : []), ...(io ? ['io' as const] : [])]);
  }

  /** Whether the files say something else, which is broken. */
  get outdated(): boolean {
    return this.#broken;
  }

  /** Why an account gets what it gets, or would if there were one of this name. */
  explain(
    user: UserRecord | string,
    own: readonly SectionPolicy[] = [],
  ): {
    readonly subject: Subject;
    readonly evaluation: Evaluation;
    readonly keys: readonly Explanation[];
  } {
    const subject = typeof user === 'string' ? { name: user, groups: [], host: hostname() } : subjectOf(user);
    const evaluation = evaluate(this.#policy, subject, own);
    return { subject, evaluation, keys: explain(this.#policy, subject, own) };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#following?.timer);
    this.#following = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  evaluate(user: UserRecord): Evaluation {
    const known = this.#evaluations.get(user);
    if (known !== undefined) return known;
    const evaluation = evaluate(this.#policy, subjectOf(user));
    this.#evaluations.set(user, evaluation);
    return evaluation;
  }
}

function subjectOf(user: UserRecord): Subject {
  const { name, uid, gid, home } = user;
  const group = user.groups.find((candidate) => candidate.gid === gid)?.name;
  return {
    name,
    uid,
    group: group === '' ? undefined : group,
    groups: user.groups.map((candidate) => candidate.name).filter((candidate) => candidate !== ''),
    home,
    host: hostname(),
  };
}

function logProblems(log: Logger, problems: readonly Problem[]): void {
  for (const problem of problems)
    log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem));
}

/** Values other than "none" that limit nothing. */
const withoutEffect: Partial<Record<LimitKey, unknown>> = { cpu_weight: 100, oom_kills: 'process' };
