// Has the copies of users' keys (src/users/home/key-copies.ts) follow what users keep inside and what the policy says
// (authorized_keys): when a session or a sandbox ends, every half a minute while a sandbox runs, and when the policy
// changes. Nobody who only tries to log in has any part in it.

import type { Engine } from '../../isolation/engine.ts';
import type { Users } from '../../isolation/users.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { uidsBelow } from '../../users/folders.ts';
import { KeyCopies } from '../../users/home/key-copies.ts';
import { keysFolder } from '../../users/places.ts';
import type { UserStore } from '../../users/store.ts';
import type { PolicyStore } from './policy-store.ts';

interface UserKeysParts {
  readonly policy: PolicyStore;
  readonly users: Users;
  readonly store: UserStore;
  readonly engine: Engine;
  readonly log: Logger;
}

const lookAgainMs = 30_000;

export class UserKeys implements Disposable {
  readonly #parts: UserKeysParts;
  readonly #copies: KeyCopies | undefined;
  readonly #timer: NodeJS.Timeout;
  /** Under way; true: and once more after it. */
  readonly #pending = new Map<Uid, boolean>();
  /** Why there are no keys of somebody's, which is said once. */
  readonly #told = new Map<Uid, string>();

  private constructor(parts: UserKeysParts, copies: KeyCopies | undefined) {
    this.#parts = parts;
    this.#copies = copies;
    this.#timer = setInterval(() => this.#lookAgain(), lookAgainMs);
    this.#timer.unref();
  }

  static async open(parts: UserKeysParts): Promise<UserKeys> {
    const { store, policy, log } = parts;
    const copies = await KeyCopies.open(store.state, store);
    if (copies === undefined && policy.takesKeysFromInside())
      log.warn(
        { folder: keysFolder(store.state) },
        'no keys are taken from inside: the folder for them is missing, or others than root can change it',
      );
    return new UserKeys(parts, copies);
  }

  /** The policy has changed, or may have while no daemon was there. */
  changed(): void {
    this.#changed().catch((error: unknown) =>
      this.#parts.log.error({ err: error }, "the users' keys could not all be taken over"),
    );
  }

  /** Takes over the keys of one user soon. */
  follow(uid: Uid): void {
    if (this.#copies === undefined || !this.#parts.policy.takesKeysFromInside()) return;
    if (this.#pending.has(uid)) this.#pending.set(uid, true);
    else void this.#followNow(uid);
  }

  /** What was kept of the user is gone. */
  async forget(uid: Uid): Promise<void> {
    await this.#copies?.remove(uid);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #lookAgain(): void {
    for (const uid of this.#parts.engine.uids()) this.follow(uid);
  }

  async #followNow(uid: Uid): Promise<void> {
    do {
      this.#pending.set(uid, false);
      await this.#update(uid);
    } while (this.#pending.get(uid) === true);
    this.#pending.delete(uid);
  }

  async #changed(): Promise<void> {
    const copies = this.#copies;
    if (copies === undefined) return;
    for (const uid of await copies.uids()) await this.#update(uid);
    if (!this.#parts.policy.takesKeysFromInside()) return;
    for (const uid of await uidsBelow(this.#parts.store.state))
      if (!(await copies.has(uid))) await this.#update(uid);
  }

  /** Never throws. */
  async #update(uid: Uid): Promise<void> {
    const { users, policy, log } = this.#parts;
    try {
      const user = await users.find(uid);
      const evaluation = user === undefined ? undefined : policy.evaluate(user);
      if (evaluation?.kind === 'refused') return; // nor does anybody get in
      const given = evaluation?.policy;
      if (
        user === undefined ||
        given === undefined ||
        given.authorizedKeys === 'host' ||
        given.exempt === 'yes'
      ) {
        await this.#copies?.remove(uid);
        return;
      }
      this.#tell(uid, user.name, await this.#copies?.refresh(user, given.home));
    } catch (error) {
      const err = error instanceof DockershError ? error : new DockershError('E_INTERNAL', { cause: error });
      log.warn({ err, uid }, "a user's keys could not be taken over; those from before stay");
    }
  }

  #tell(uid: Uid, user: string, problem: string | undefined): void {
    if (problem !== undefined && this.#told.get(uid) !== problem)
      this.#parts.log.warn(
        { uid, user },
        `~/.ssh/authorized_keys inside ${problem}: none of its keys counts`,
      );
    if (problem === undefined) this.#told.delete(uid);
    else this.#told.set(uid, problem);
  }
}
