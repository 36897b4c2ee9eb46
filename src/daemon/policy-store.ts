// The policy in force. The file is looked at before every login (one stat); an edit takes effect with the next
// one, a broken edit is logged and changes nothing.

import { statSync } from 'node:fs';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { evaluate } from '../policy/evaluate.ts';
import { loadPolicyFile } from '../policy/load.ts';
import type { Evaluation, ImagesPolicy, Policy } from '../policy/policy.ts';
import { formatProblem } from '../policy/problem.ts';

export class PolicyStore {
  readonly #file: string;
  readonly #log: Logger;
  #policy: Policy;
  #stamp: string;
  #loading: Promise<void> | undefined;

  private constructor(file: string, log: Logger, policy: Policy, stamp: string) {
    this.#file = file;
    this.#log = log;
    this.#policy = policy;
    this.#stamp = stamp;
  }

  /** Throws E_POLICY_INVALID or E_UNTRUSTED_PATH, with every problem named. */
  static async open(file: string, log: Logger): Promise<PolicyStore> {
    const stamp = stampOf(file);
    const { policy, problems } = await loadPolicyFile(file);
    if (policy === undefined) {
      const [first] = problems;
      throw new DockershError(first?.code ?? 'E_POLICY_INVALID', {
        why: problems.map(formatProblem).join('\n'),
      });
    }
    for (const problem of problems) log.warn(formatProblem(problem));
    return new PolicyStore(file, log, policy, stamp);
  }

  /** Undefined while nothing has to be waited for. */
  refresh(): Promise<void> | undefined {
    const stamp = stampOf(this.#file);
    if (stamp === this.#stamp) return undefined;
    this.#loading ??= this.#load(stamp).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #load(stamp: string): Promise<void> {
    const { policy, problems } = await loadPolicyFile(this.#file);
    this.#stamp = stamp;
    for (const problem of problems)
      this.#log[problem.severity === 'error' ? 'error' : 'warn'](formatProblem(problem));
    if (policy === undefined) {
      this.#log.error({ file: this.#file }, 'the policy file is broken; the last good one stays in force');
      return;
    }
    this.#policy = policy;
    this.#log.info({ file: this.#file }, 'policy loaded');
  }

  /** What holds for all images, as the policy in force has it. */
  get images(): ImagesPolicy {
    return this.#policy.images;
  }

  evaluate(user: string): Evaluation {
    return evaluate(this.#policy, user);
  }
}

function stampOf(file: string): string {
  const info = statSync(file, { throwIfNoEntry: false });
  return info === undefined ? 'missing' : `${info.ino}:${info.mtimeMs}:${info.ctimeMs}:${info.size}`;
}
