// Answers the words of self-service: for the user's own sandbox alone, what the policy lets them, a few at a time. What a word does
// is the administrator's verb of the same name (src/daemon/admin), or what stands beside this in words/.

import type { Looks } from '../../isolation/engine.ts';
import { Counts } from '../../lib/async/counts.ts';
import { type DockershError, toDockershError } from '../../lib/errors.ts';
import type { OwnWord } from '../../lib/values/own-words.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { AdminParams, AdminRequest, AdminResult, AdminVerb } from '../../protocol/admin.ts';
import { loginWait } from '../../protocol/login.ts';
import { ownCommandText } from '../../shell/own-command.ts';
import { handlersOf } from '../admin/handlers.ts';
import type { AdminParts, Handlers } from '../admin/parts.ts';
import { perform } from '../admin/perform.ts';
import { lookAt } from '../kept/look.ts';
import type { IncomingLogin } from '../login/connections.ts';
import type { LoginHistory } from '../login/history.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { UserNotices } from '../notices/notices.ts';
import type { Records } from '../records/records.ts';
import type { Told } from '../records/told.ts';
import { type Answer, type Asking, mayUse, refusal, type WordParts } from './asking.ts';
import { answerText, refusedFor, refusedMessage, report } from './report.ts';
import { words } from './words/words.ts';

export interface SelfServiceParts {
  readonly admin: AdminParts;
  readonly history: LoginHistory;
  readonly records: Records;
  readonly notices: UserNotices;
  readonly follow: (uid: Uid) => void;
  readonly metrics: Metrics;
}

/** What these show changes nothing: they have one line, when they are answered. */
const onlyLook: ReadonlySet<OwnWord> = new Set<OwnWord>(['help', 'status', 'sessions', 'images', 'attach']);

const toldOf = ({ session, user, from }: Asking): Told => ({ session, uid: user.uid, user: user.name, from });

/** Said to who interrupts the client meanwhile. */
const goesOn = 'What you have asked for goes on without you; @status says how things are.';

const endsConnection =
  'It ends your sandbox, and with it this connection, which is in it. Log in again: you wait until it is done.';

/** Of one user, at a time. */
const mostAtOnce = 4;

export class SelfService {
  readonly #parts: SelfServiceParts;
  readonly #handlers: Handlers;
  readonly #words: WordParts;
  readonly #underWay = new Counts<Uid>();

  constructor(parts: SelfServiceParts) {
    this.#parts = parts;
    this.#handlers = handlersOf(parts.admin);
    const verb = async <Name extends AdminVerb>(
      asking: Asking,
      name: Name,
      params: Omit<AdminParams<Name>, 'user'>,
    ) => await this.#verb(asking, name, params);
    const look: WordParts['look'] = async (...words) => await this.#look(...words);
    this.#words = { admin: parts.admin, notices: parts.notices, follow: parts.follow, verb, look };
  }

  /** Answers a login whose command is a word. Never rejects. */
  async answerLogin(login: IncomingLogin, asking: Omit<Asking, 'login'>): Promise<void> {
    const { id, client } = login;
    const { json } = asking.command;
    const { engine } = this.#parts.admin;
    // Somebody is at it, and nobody need be told to wait.
    client.tell(loginWait(onlyLook.has(asking.command.word) ? undefined : goesOn));
    try {
      const answer = await this.answer({ ...asking, login });
      if (answer === 'handed over') return;
      this.#parts.history.failed(id, 'self-service');
      client.refuse(engine, report(answerText(answer, json), 0));
    } catch (error) {
      this.#parts.history.failed(id, toDockershError(error).code);
      client.refuse(engine, refusedMessage(refusedFor(error), id, json));
    }
  }

  /** Throws why it is not done. */
  async answer(asking: Asking): Promise<Answer | 'handed over'> {
    const { word } = asking.command;
    try {
      using _ = this.#count(asking.user.uid);
      if (!mayUse(asking.policy, word)) {
        throw refusal('E_SELF_SERVICE', `the policy of this host does not let you use @${word}`);
      }
      if (!onlyLook.has(word))
        this.#parts.records.selfServiceBegins(toldOf(asking), ownCommandText(asking.command));
      const answer = await words[word](asking, this.#words);
      this.#tell(asking, undefined);
      return answer;
    } catch (error) {
      this.#tell(asking, toDockershError(error));
      throw error;
    }
  }

  async #look({ user, policy, login }: Asking, session: string, looks: Looks, takes: boolean): Promise<void> {
    const { admin, ...records } = this.#parts;
    if (login === undefined) throw refusal('E_SELF_SERVICE', 'this needs a connection of its own');
    const { engine, audit } = admin;
    const given = {
      image: policy.image,
      digest: engine.digestOf(user.uid),
      policy: admin.policy.sectionsOf(user),
    };
    await lookAt({ ...records, engine, audit }, login, { user, given }, session, looks, { takes });
  }

  #count(uid: Uid): Disposable {
    if (this.#underWay.of(uid) >= mostAtOnce)
      throw refusal('E_BUSY', 'others of your requests are still under way');
    return { [Symbol.dispose]: this.#underWay.add(uid) };
  }

  #tell(asking: Asking, failure: DockershError | undefined): void {
    this.#parts.records.selfService(toldOf(asking), ownCommandText(asking.command), failure);
  }

  /**
   * An ssh connection in the sandbox ends with it, and its client would hear of nothing afterwards. What is said then is said to
   * nobody: the client has its answer. The supervisor gives sshd a second to pass it on.
   */
  #answerFirst({ login, user, command }: Asking): void {
    const { engine } = this.#parts.admin;
    const connections = engine.loads().find(({ uid }) => uid === user.uid)?.connections ?? [];
    if (login === undefined || connections.length === 0) return;
    const text = `${ownCommandText(command)} is under way. ${endsConnection}`;
    login.client.refuse(engine, report(answerText({ json: { underWay: true }, text }, command.json), 0));
  }

  async #verb<Name extends AdminVerb>(
    asking: Asking,
    verb: Name,
    params: Omit<AdminParams<Name>, 'user'>,
  ): Promise<AdminResult<Name>> {
    const { user, command } = asking;
    if (verb === 'rollback' || verb === 'reset') this.#answerFirst(asking);
    const by = user.name;
    const said = `@${command.word}`;
    const told = `Your sandbox is being stopped, as you have asked for (${said}).`;
    const request = { version: 1, verb, by, params: { ...params, user: String(user.uid) } };
    const { operations } = this.#parts.admin;
    return (await perform({ handlers: this.#handlers, operations }, request as unknown as AdminRequest, {
      byWhom: { by, verb: said, told },
    })) as AdminResult<Name>;
  }
}
