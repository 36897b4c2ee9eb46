// The policy in force. Whether a file has changed is asked before every login; an edit takes effect with the
// next one, a broken edit is logged and changes nothing.

import { hostname } from 'node:os';
import type { UserRecord } from '../isolation/engine.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { evaluate } from '../policy/evaluate.ts';
import type { Subject } from '../policy/expand.ts';
import { type Explanation, explain } from '../policy/explain.ts';
import { type LoadedPolicy, PolicyFiles, stampOf } from '../policy/load.ts';
import type { Evaluation, ImagesPolicy, Policy } from '../policy/policy.ts';
import { formatProblem, type Problem } from '../policy/problem.ts';

type LastReading = Pick<LoadedPolicy, 'files' | 'stamp' | 'settled'>;

export class PolicyStore {
  readonly #file: string;
  readonly #log: Logger;
  readonly #files: PolicyFiles;
  #policy: Policy;
  #last: LastReading;
  #loading: Promise<void> | undefined;
  #broken = false;
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

  /** Undefined while nothing has to be waited for. */
  refresh(): Promise<void> | undefined {
    if (this.#loading !== undefined) return this.#loading;
    if (this.#last.settled && stampOf(this.#file, this.#last.files) === this.#last.stamp) return undefined;
    this.#loading = this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
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
  }

  /** What holds for all images, as the policy in force has it. */
  get images(): ImagesPolicy {
    return this.#policy.images;
  }

  /** Whether the files say something else, which is broken. */
  get outdated(): boolean {
    return this.#broken;
  }

  /** Why an account gets what it gets, or would if there were one of this name. */
  explain(user: UserRecord | string): {
    readonly subject: Subject;
    readonly evaluation: Evaluation;
    readonly keys: readonly Explanation[];
  } {
    const subject = typeof user === 'string' ? { name: user, groups: [], host: hostname() } : subjectOf(user);
    const evaluation = evaluate(this.#policy, subject);
    return { subject, evaluation, keys: explain(this.#policy, subject) };
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
