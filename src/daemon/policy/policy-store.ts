// Holds the policy in force. Every login asks first whether a file has changed; an edit takes effect with the next
// one, a broken edit is logged and changes nothing. Files that are broken when the daemon starts are answered by the
// policy that was accepted last (kept-policy.ts); without one, every login is refused until they are mended.

import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { UserRecord } from '../../isolation/engine.ts';
import { FileWatch } from '../../isolation/file-watch.ts';
import type { Logger } from '../../lib/log.ts';
import type { Controller } from '../../limits/entry.ts';
import { type LimitKey, rareControllers } from '../../limits/limits.ts';
import { evaluate } from '../../policy/evaluate.ts';
import type { Subject } from '../../policy/expand.ts';
import { type Explanation, explain, texts } from '../../policy/explain.ts';
import { describeFault, type PolicyFault } from '../../policy/fault.ts';
import { imagesNamed, type NamedImage } from '../../policy/images-named.ts';
import { emptyPolicy } from '../../policy/parse/assemble.ts';
import { confFolderOf, type LoadedPolicy, PolicyFiles, stampOf } from '../../policy/parse/load.ts';
import { type UserSettings, type UserSource, userSettings } from '../../policy/parse/user-file.ts';
import type { EffectivePolicy, Evaluation, Policy, SectionPolicy } from '../../policy/policy.ts';
import { sectionNames } from '../../policy/precedence.ts';
import { formatProblem, type Problem } from '../../policy/problem.ts';
import type { KeptPolicy, PolicyTexts } from './kept-policy.ts';
import { type DiskKey, diskBackendsOf, keysInside, rareControllersOf, setsLimit } from './policy-limits.ts';
import { subjectOf } from './subject.ts';

type LastReading = Pick<LoadedPolicy, 'files' | 'stamp' | 'settled'>;

/** How often the files are checked for changes without an event, such as another file system mounted over them. */
const lookAgainMs = 5000;
/** Bounds the wait of logins if files are edited without end. */
const mostReadings = 5;

/** The most problems of the files that are kept: as many as a person reads. */
const mostFaults = 20;

/** Puts below a policy what holds whatever it says. */
type Adapt = (policy: Policy) => Policy;

export class PolicyStore implements AsyncDisposable {
  readonly #file: string;
  readonly #log: Logger;
  readonly #files: PolicyFiles;
  readonly #kept: KeptPolicy;
  #adapt: Adapt = (policy) => policy;
  #policy: Policy;
  /** When it was accepted; null: there is no policy, and nobody is let in. */
  #since: string | null = null;
  #last: LastReading;
  #loading: Promise<void> | undefined;
  #fault: PolicyFault | undefined;
  #faultChanged: () => void = () => {};
  #watch: FileWatch | undefined;
  #following: { readonly timer: NodeJS.Timeout; readonly changed: () => void } | undefined;
  /** By the account as it was looked up: another look-up makes another record. */
  #evaluations = new WeakMap<UserRecord, Evaluation>();
  readonly #sections = new WeakMap<UserRecord, { readonly of: Policy; readonly names: readonly string[] }>();

  private constructor(file: string, log: Logger, kept: KeptPolicy, files: PolicyFiles, last: LastReading) {
    this.#file = file;
    this.#log = log;
    this.#kept = kept;
    this.#files = files;
    this.#policy = emptyPolicy(file);
    this.#last = last;
  }

  /** Broken files are no reason not to start. */
  static async open(file: string, log: Logger, kept: KeptPolicy, adapt?: Adapt): Promise<PolicyStore> {
    const files = new PolicyFiles(file);
    const { policy, problems, texts, ...last } = await files.load();
    const store = new PolicyStore(file, log, kept, files, last);
    store.#adapt = adapt ?? store.#adapt;
    const before = await kept.read();
    logProblems(log, problems);
    if (policy !== undefined) {
      store.#accept(policy, texts);
      return store;
    }
    if (before.ok) {
      store.#policy = store.#adapt(before.policy);
      store.#since = before.since;
    }
    store.#setFault(problems, before.ok ? { keptBy: before.version } : { noneKept: before.why });
    return store;
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
    this.#refreshed(true)?.catch((error: unknown) =>
      this.#log.error({ err: error }, 'the policy could not be read'),
    );
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
    const { policy, problems, texts, ...last } = await this.#files.load();
    this.#last = last;
    // Read once more only because the clock had not moved on: there is nothing new to say.
    if (before.stamp === last.stamp && policy !== undefined) {
      this.#accept(policy, texts);
      return;
    }
    logProblems(this.#log, problems);
    if (policy === undefined) {
      this.#setFault(problems);
      return;
    }
    this.#accept(policy, texts);
    this.#log.info({ file: this.#file, files: last.files.length }, `the policy in ${this.#file} is in force`);
  }

  #accept(policy: Policy, texts: PolicyTexts): void {
    this.#policy = this.#adapt(policy);
    this.#since = this.#kept.keep(texts);
    this.#evaluations = new WeakMap();
    this.#following?.changed();
    if (this.#fault === undefined) return;
    this.#fault = undefined;
    this.#faultChanged();
  }

  #setFault(problems: readonly Problem[], more: object = {}): void {
    const errors = problems.filter(({ severity }) => severity === 'error').map(formatProblem);
    this.#fault = { since: this.#since, problems: errors.slice(0, mostFaults) };
    this.#log.error({ file: this.#file, since: this.#since, ...more }, describeFault(this.#fault));
    this.#faultChanged();
  }

  /** Where the files say something else than what is in force, because they are broken. */
  get fault(): PolicyFault | undefined {
    return this.#fault;
  }

  /** `told` hears whenever `fault` has become another. */
  whenFaultChanges(told: () => void): void {
    this.#faultChanged = told;
  }

  /** What all sandboxes together may take. */
  get host(): Policy['host'] {
    return this.#policy.host;
  }

  /** Who may log in at the gateway, and how. */
  get gateway(): Policy['gateway'] {
    return this.#policy.gateway;
  }

  /** What holds for all images, as the policy in force has it. */
  get images(): Policy['images'] {
    return this.#policy.images;
  }

  /** As imagesNamed() has them. */
  imagesNamed(): NamedImage[] {
    return imagesNamed(this.#policy);
  }

  /** What the policy says of an account, key by key, as it would be written. */
  settingsOf(user: UserRecord, own: readonly SectionPolicy[]): Record<string, string> {
    return Object.fromEntries(texts(this.#policy, subjectOf(user), own));
  }

  /** What counts of a user's own file. */
  userSettings(user: UserRecord, text: string, from?: UserSource): UserSettings {
    return userSettings(text, this.#policy, subjectOf(user), from);
  }

  evaluateWith(user: UserRecord, own: readonly SectionPolicy[]): Evaluation {
    return this.#evaluate(subjectOf(user), own);
  }

  #evaluate(subject: Subject, own: readonly SectionPolicy[] = []): Evaluation {
    if (this.#since !== null) return evaluate(this.#policy, subject, own);
    return {
      kind: 'refused',
      code: 'E_POLICY_BROKEN',
      why: this.#fault?.problems[0] ?? 'there is no policy',
    };
  }

  /** Whether anybody may get something else than no limit. */
  sets(key: LimitKey | DiskKey): boolean {
    return setsLimit(this.#policy, key);
  }

  /** Whether anybody's keys may come from their home inside. */
  takesKeysFromInside(): boolean {
    return keysInside(this.#policy);
  }

  get diskBackends(): Set<EffectivePolicy['diskBackend']> {
    return diskBackendsOf(this.#policy);
  }

  /**
   * Controllers that only some policies need. While the files are broken, all of them: the policy that comes next may
   * need any.
   */
  rareControllers(): Set<Controller> {
    return this.#since === null ? new Set(rareControllers) : rareControllersOf(this.#policy);
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
    const evaluation = this.#evaluate(subject, own);
    return { subject, evaluation, keys: explain(this.#policy, subject, own) };
  }

  /** The sections of root's files that hold for an account, with their places. */
  sectionsOf(user: UserRecord): readonly string[] {
    const known = this.#sections.get(user);
    if (known?.of === this.#policy) return known.names;
    const names = sectionNames(this.#policy, subjectOf(user));
    this.#sections.set(user, { of: this.#policy, names });
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#following?.timer);
    this.#following = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    await this.#kept[Symbol.asyncDispose]();
  }

  evaluate(user: UserRecord): Evaluation {
    const known = this.#evaluations.get(user);
    if (known !== undefined) return known;
    const evaluation = this.#evaluate(subjectOf(user));
    this.#evaluations.set(user, evaluation);
    return evaluation;
  }
}

function logProblems(log: Logger, problems: readonly Problem[]): void {
  for (const problem of problems)
    log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem));
}
