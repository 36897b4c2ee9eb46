// Merges a user's own settings into their policy, for logins, running sandboxes and "policy explain" alike.

import type { UserRecord } from '../../isolation/engine.ts';
import { largestUserFileBytes, userFileName, userFileShown } from '../../policy/parse/user-file.ts';
import type { Evaluation, SectionPolicy } from '../../policy/policy.ts';
import type { Problem } from '../../policy/problem.ts';
import { OwnFiles } from '../../users/home/own-file.ts';
import { chosenKeys } from '../../users/own/choices.ts';
import type { UserStore } from '../../users/store.ts';
import type { PolicyStore } from './policy-store.ts';

export interface Given {
  readonly evaluation: Evaluation;
  readonly own: readonly SectionPolicy[];
  /** What of the user's file does not count, for the user. */
  readonly problems: readonly Problem[];
}

/** In problems, where a file would stand. */
export const choicesShown = 'what you have chosen';

export class OwnSettings {
  readonly #policy: PolicyStore;
  readonly #files: OwnFiles;
  readonly #store: UserStore;

  constructor(policy: PolicyStore, store: UserStore) {
    this.#policy = policy;
    this.#store = store;
    this.#files = new OwnFiles((uid) => store.disks.open(uid));
  }

  /** Without waiting where the user may set nothing. */
  given(user: UserRecord): Given | Promise<Given> {
    const evaluation = this.#policy.evaluate(user);
    const nothing = { evaluation, own: [], problems: [] };
    if (evaluation.kind !== 'ok') return nothing;
    if (evaluation.policy.userMaySet.length === 0) return this.#withChoices(user, nothing);
    return this.#withFile(user, evaluation, evaluation.policy.home).then((given) =>
      this.#withChoices(user, given),
    );
  }

  /** What the user has chosen by self-service, which stands above their file. */
  #withChoices(user: UserRecord, given: Given): Given {
    const { owners, choices } = this.#store;
    const text = owners.isOwn(user) ? choices.text(user.uid) : '';
    const { evaluation } = given;
    if (text === '' || evaluation.kind !== 'ok') return given;
    const may = chosenKeys.filter((key) => evaluation.policy.selfService.includes(key));
    const chosen = this.#policy.userSettings(user, text, { shown: choicesShown, may });
    const problems = [...given.problems, ...chosen.problems];
    const own = [...given.own, ...chosen.own];
    const combined = this.#policy.evaluateWith(user, own);
    if (combined.kind === 'ok') return { evaluation: combined, own, problems };
    const problem = { severity: 'error', file: choicesShown, line: 0, message: combined.why } as const;
    return { ...given, problems: [...problems, problem] };
  }

  async #withFile(user: UserRecord, evaluation: Evaluation, home: 'private' | 'host'): Promise<Given> {
    // A private home is whoever's the folder is; who that is not is refused elsewhere.
    if (!this.#store.owners.isOwn(user)) return { evaluation, own: [], problems: [] };
    const read = await this.#files.read(user, home, userFileName, largestUserFileBytes);
    if (read === undefined) return { evaluation, own: [], problems: [] };
    if ('problem' in read) return { evaluation, own: [], problems: [problemOf(read.problem)] };
    const { own, problems } = this.#policy.userSettings(user, read.text);
    const combined = this.#policy.evaluateWith(user, own);
    // Two things that are fine alone may be too much together; a login goes on without the user's.
    if (combined.kind === 'ok') return { evaluation: combined, own, problems };
    return { evaluation, own: [], problems: [...problems, problemOf(combined.why)] };
  }
}

const problemOf = (message: string): Problem => ({
  severity: 'error',
  file: userFileShown,
  line: 0,
  message,
});
