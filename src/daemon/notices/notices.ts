// Keeps for each user what has ended without them, and why: told once at their next login with a terminal, and shown by
// @status. That a sandbox runs is written down as well, so that the daemon after a restart of the host knows what is gone.

import type { SandboxEnd, SandboxStart, SessionEnd } from '../../isolation/engine.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { uidsBelow } from '../../users/folders.ts';
import type { KeptFile } from '../../users/own/kept-file.ts';
import { type Ended, keptNotices, mostNotices, type Notices } from '../../users/own/notices.ts';
import { endedText, isNews } from './ended.ts';

interface NoticesParts {
  readonly state: AbsolutePath;
  /** Of the host. */
  readonly boot: string;
  /** Of a user's running sandbox; Infinity: for ever. Undefined: not known. */
  readonly lingerMs: (uid: Uid) => number | undefined;
  readonly log: Logger;
}

export class UserNotices {
  readonly #parts: NoticesParts;
  readonly #file: KeptFile<Notices>;

  constructor(parts: NoticesParts) {
    this.#parts = parts;
    this.#file = keptNotices(parts.state);
  }

  /** What an earlier daemon has seen begin and does not run any more. Call before anybody logs in. */
  async settle(running: ReadonlySet<Uid>): Promise<void> {
    for (const uid of await uidsBelow(this.#parts.state)) {
      const was = running.has(uid) ? null : this.#file.read(uid).running;
      if (was === null) continue;
      const cause = was.boot === this.#parts.boot ? 'unseen' : 'host-restarted';
      this.#change(uid, (kept) => withEnd(kept, { cause, work: was.work ?? undefined }));
    }
  }

  sandboxStarted({ uid }: Pick<SandboxStart, 'uid'>): void {
    this.#runs(uid, null);
  }

  /** Of one with a terminal: from now on nobody knows what runs. */
  sessionOpened(uid: Uid): void {
    this.#runs(uid, null);
  }

  sessionEnded({ uid, work: left, ...end }: Ending): void {
    if (end.wasLeft === true) this.#change(uid, (kept) => withSession(kept, end));
    if (left !== undefined) this.#runs(uid, { count: left.count, names: [...left.names] });
  }

  sandboxEnded({ failure, ...end }: SandboxEnd): void {
    if (failure !== undefined) return;
    const { uid } = end;
    this.#change(uid, (kept) => withEnd(kept, end));
  }

  /** Sentences for the user's terminal. */
  untold(uid: Uid): string[] {
    return this.#file
      .read(uid)
      .ended.filter(({ isTold }) => !isTold)
      .map(endedText);
  }

  told(uid: Uid): void {
    this.#change(uid, (kept) => ({
      ...kept,
      ended: kept.ended.map((one) => ({ ...one, isTold: true })),
    }));
  }

  /** The last ones, newest first. */
  of(uid: Uid): Ended[] {
    return this.#file
      .read(uid)
      .ended.map(({ isTold: _, ...one }) => one)
      .reverse();
  }

  #runs(uid: Uid, now: Ended['work']): void {
    const { boot } = this.#parts;
    this.#change(uid, (kept) => {
      const was = kept.running;
      const isSame = was?.boot === boot && JSON.stringify(was.work) === JSON.stringify(now);
      const lingerMs = this.#parts.lingerMs(uid);
      const stays = lingerMs === undefined ? (was?.lingerMs ?? null) : finite(lingerMs);
      return isSame ? kept : { ...kept, running: { boot, work: now, lingerMs: stays } };
    });
  }

  /** A notice that is lost is no reason to hold anybody up. */
  #change(uid: Uid, to: (kept: Notices) => Notices): void {
    this.#file
      .change(uid, to)
      .catch((error: unknown) => this.#parts.log.debug({ err: error, uid }, 'a notice for a user is lost'));
  }
}

const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null);

type Ending = Pick<SessionEnd, 'uid' | 'work' | 'wasLeft' | 'cause' | 'outcome'>;

function withSession(kept: Notices, { cause, outcome }: Pick<Ending, 'cause' | 'outcome'>): Notices {
  const session = outcome?.kind === 'exit' ? `exit status ${outcome.code}` : '';
  const at = new Date().toISOString();
  const one = { at, cause, work: null, said: null, lingerMs: null, session, isTold: false };
  return { ...kept, ended: [...kept.ended, one].slice(-mostNotices) };
}

type End = Pick<SandboxEnd, 'cause' | 'work' | 'said'>;

function withEnd(kept: Notices, { cause, work: lost, said }: End): Notices {
  const one: Ended = {
    at: new Date().toISOString(),
    cause,
    work: lost === undefined ? null : { count: lost.count, names: [...lost.names] },
    said: said ?? null,
    lingerMs: kept.running?.lingerMs ?? null,
  };
  const ends = isNews(one) ? [...kept.ended, { ...one, isTold: false }] : kept.ended;
  return { ...kept, running: null, ended: ends.slice(-mostNotices) };
}
