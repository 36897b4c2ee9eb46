// Shared by the words of self-service: who asks for what, what an answer is, and the shape of their table.

import type { Looks, UserRecord } from '../../isolation/engine.ts';
import { DockershError, type ErrorCode } from '../../lib/errors.ts';
import type { OwnWord } from '../../lib/values/own-words.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { AdminParams, AdminResult, AdminVerb } from '../../protocol/admin.ts';
import type { OwnCommand } from '../../shell/own-command.ts';
import type { AdminParts } from '../admin/parts.ts';
import type { IncomingLogin } from '../login/connections.ts';
import type { UserNotices } from '../notices/notices.ts';

/** One request, whoever has brought it. */
export interface Asking {
  readonly user: UserRecord;
  readonly policy: EffectivePolicy;
  readonly command: OwnCommand;
  /** Id in the log. */
  readonly session: string;
  readonly from: string | undefined;
  /** Undefined: it came from inside the sandbox. */
  readonly login: IncomingLogin | undefined;
}

/** What the user gets: `json` with --json, `text` without. Neither need be safe for a terminal yet. */
export interface Answer {
  readonly json: object;
  readonly text: string;
}

/** What words work with. */
export interface WordParts {
  readonly admin: AdminParts;
  readonly notices: UserNotices;
  /** A verb of the administrator's, for the user's own sandbox: the same code, the same lists and bounds. */
  readonly verb: <Name extends AdminVerb>(
    asking: Asking,
    verb: Name,
    params: Omit<AdminParams<Name>, 'user'>,
  ) => Promise<AdminResult<Name>>;
  /** Has the user's running sandbox keep to what the policy and the user's choices say now. */
  readonly follow: (uid: Uid) => void;
  /** Gives the client of a request that came by ssh a session of the user's to look at. `takes`: others leave it. */
  readonly look: (asking: Asking, session: string, looks: Looks, takes: boolean) => Promise<void>;
}

/** 'handed over': somebody else answers the client from now on. */
export type WordHandler = (asking: Asking, parts: WordParts) => Promise<Answer | 'handed over'>;
export type Words = { readonly [Word in OwnWord]: WordHandler };

/** Whether the policy lets the user have a word; @help comes with any. */
export function mayUse({ selfService }: Pick<EffectivePolicy, 'selfService'>, word: OwnWord): boolean {
  return selfService.includes(word) || (word === 'help' && selfService.length > 0);
}

/** `why`: a clause for the user, without anything of the host's. */
export function refusal(code: ErrorCode, why: string, hint?: string): DockershError {
  return new DockershError(code, { why, userDetail: why, ...(hint === undefined ? {} : { hint }) });
}
