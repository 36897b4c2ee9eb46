// Answers what a sandbox's own processes ask for ("dockersh status" inside): for the sandbox's user alone, whoever of the
// sandbox's asks, by what the policy gives them now.

import type { Asked, UserRecord } from '../../isolation/engine.ts';
import type { Users } from '../../isolation/users.ts';
import { DockershError } from '../../lib/errors.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import { ownCommandOf } from '../../shell/own-command.ts';
import { newSessionId } from '../../shell/session.ts';
import type { UserStore } from '../../users/store.ts';
import type { OwnSettings } from '../policy/own-settings.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import { refusal } from './asking.ts';
import { answerText, refusedFor, refusedMessage, report } from './report.ts';
import type { SelfService } from './self-service.ts';

interface InsideParts {
  readonly users: Users;
  readonly store: UserStore;
  readonly ownSettings: OwnSettings;
  readonly policy: PolicyStore;
  readonly selfService: SelfService;
}

export class InsideService {
  readonly #parts: InsideParts;

  constructor(parts: InsideParts) {
    this.#parts = parts;
  }

  async answer(asked: Asked): Promise<void> {
    const id = newSessionId();
    const words = asked.words.toString('latin1').split(' ');
    const json = words.at(-1) === '--json';
    asked.answer(await this.#messageFor(asked, id, words, json));
  }

  async #messageFor(asked: Asked, id: string, words: readonly string[], json: boolean): Promise<Buffer> {
    try {
      return report(await this.#answerTo(asked, id, words, json), 0);
    } catch (error) {
      return refusedMessage(refusedFor(error), id, json);
    }
  }

  async #answerTo(asked: Asked, session: string, words: readonly string[], json: boolean): Promise<string> {
    await this.#parts.policy.refresh();
    const user = await this.#userOf(asked);
    const policy = await this.#policyOf(user);
    const command = ownCommandOf(words);
    if (command === undefined) {
      throw refusal(
        'E_USAGE',
        'these are no words that there are, with what belongs to them: see "dockersh help"',
      );
    }
    const asking = { user, policy, command, session, from: undefined, login: undefined };
    const answer = await this.#parts.selfService.answer(asking);
    if (answer === 'handed over')
      throw new DockershError('E_INTERNAL', { why: 'nobody is there to hand over' });
    return answerText(answer, json);
  }

  /** The account that the sandbox was started for, as long as its uid is its own. */
  async #userOf({ uid, user: name }: Asked): Promise<UserRecord> {
    const user = this.#parts.users.remembered(uid) ?? (await this.#parts.users.find(uid));
    if (user?.name !== name) throw new DockershError('E_OWNER');
    await this.#parts.store.owners.require(user);
    return user;
  }

  async #policyOf(user: UserRecord): Promise<EffectivePolicy> {
    const { evaluation } = await this.#parts.ownSettings.given(user);
    if (evaluation.kind === 'ok') return evaluation.policy;
    throw new DockershError(evaluation.code, { why: evaluation.why });
  }
}
