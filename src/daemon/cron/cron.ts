// Runs users' crontabs (~/.crontab) in their sandboxes, where the policy lets them (cron = yes), whether anybody is logged in
// or not. The file is read with the user's rights; what it says is run inside, as a session of the user's without a terminal.

import type { Engine, UserRecord } from '../../isolation/engine.ts';
import type { Users } from '../../isolation/users.ts';
import { Counts } from '../../lib/async/counts.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import { uidsBelow } from '../../users/folders.ts';
import { OwnFiles } from '../../users/home/own-file.ts';
import type { UserStore } from '../../users/store.ts';
import type { Audit } from '../audit/audit.ts';
import { type JobPlaces, runInside } from '../jobs.ts';
import { LogLimit } from '../login/log-limit.ts';
import type { OwnSettings } from '../policy/own-settings.ts';
import { type CronJob, type Crontab, isDue, largestCrontabBytes, parseCrontab } from './crontab.ts';
import { commandOf, complaintOf } from './job.ts';
import { type Due, minuteOf, WallClock } from './wall-clock.ts';

export const crontabName = '.crontab';

export interface CronParts {
  readonly places: JobPlaces;
  readonly users: Users;
  readonly store: UserStore;
  readonly ownSettings: OwnSettings;
  readonly engine: Pick<Engine, 'nameOf'>;
  readonly audit: Audit;
  readonly log: Logger;
}

/** Jobs of one user at a time, and of all. */
const mostJobs = 16;
const mostJobsOfAll = 200;
/** How often the clock is looked at. */
const lookMs = 1000;

interface Known {
  readonly user: UserRecord;
  readonly text: string;
  /** What is wrong with it has been told. */
  readonly told: boolean;
  readonly crontab: Crontab;
}

export class Cron implements Disposable {
  readonly #parts: CronParts;
  readonly #files: OwnFiles;
  readonly #clock: WallClock;
  readonly #timer: NodeJS.Timeout;
  readonly #abort = new AbortController();
  /** What users' files said when they were last read. */
  readonly #known = new Map<Uid, Known>();
  /** Whose sandbox has run since: a session that is over before the clock is looked at may have written another one. */
  readonly #maybeChanged = new Set<Uid>();
  readonly #running = new Counts<Uid>();
  readonly #left: LogLimit;
  #isBusy = false;

  private constructor(parts: CronParts, now: () => Date) {
    this.#parts = parts;
    this.#files = new OwnFiles((uid) => parts.store.disks.open(uid));
    this.#clock = new WallClock(minuteOf(now()));
    this.#left = LogLimit.start({ count: 5, ms: 600_000 }, (more) =>
      parts.log.warn(more, 'jobs of crontabs that were left out'),
    );
    this.#timer = setInterval(() => this.#look(now()), lookMs);
    this.#timer.unref();
  }

  static start(parts: CronParts, now: () => Date = () => new Date()): Cron {
    return new Cron(parts, now);
  }

  #look(now: Date): void {
    if (this.#isBusy) return;
    const due = this.#clock.reach(minuteOf(now));
    if (due.length === 0) return;
    this.#isBusy = true;
    this.#runDue(due)
      .finally(() => {
        this.#isBusy = false;
      })
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'crontabs could not be looked at'));
  }

  async #runDue(due: readonly Due[]): Promise<void> {
    for (const uid of await uidsBelow(this.#parts.store.state)) {
      const known = await this.#crontabOf(uid);
      for (const job of known?.crontab.jobs ?? []) {
        const { when } = job;
        if (when === 'reboot' || known === undefined) continue;
        const fits = ({ minute, which }: Due): boolean =>
          isDue(when, minute) && (which === 'all' || (which === 'wildcard') === when.isWildcard);
        for (const _ of due.filter(fits)) this.#begin(known.user, job);
      }
    }
  }

  /** Jobs for when the host has started. */
  async rebooted(uid: Uid): Promise<void> {
    const known = await this.#crontabOf(uid);
    for (const job of known?.crontab.jobs ?? [])
      if (job.when === 'reboot' && known !== undefined) this.#begin(known.user, job);
  }

  sandboxEnded(uid: Uid): void {
    if (this.#known.has(uid)) this.#maybeChanged.add(uid);
  }

  /** Undefined: the user has none that counts. A home that nobody can write to just now is not read again. */
  async #crontabOf(uid: Uid): Promise<Known | undefined> {
    const { users, store, ownSettings, engine } = this.#parts;
    const user = users.remembered(uid) ?? (await users.find(uid));
    const policy =
      user === undefined || !store.owners.isOwn(user) ? undefined : await policyOf(ownSettings, user);
    if (user === undefined || policy === undefined || policy.cron !== 'yes' || policy.exempt === 'yes') {
      this.#known.delete(uid);
      return undefined;
    }
    const before = this.#known.get(uid);
    const mayDiffer = this.#maybeChanged.delete(uid) || engine.nameOf(uid) !== undefined;
    if (before?.user.name === user.name && policy.home === 'private' && !mayDiffer) return before;
    const read = await this.#files.read(user, policy.home, crontabName, largestCrontabBytes);
    if (read !== undefined && 'problem' in read) {
      this.#parts.log.debug({ uid, user: user.name, why: read.problem }, 'a crontab is not read');
      if (mayDiffer) this.#maybeChanged.add(uid);
      return before;
    }
    const text = read?.text ?? '';
    const wasTold = text === before?.text && before.told;
    const runs = engine.nameOf(uid) !== undefined;
    const known = { user, text, crontab: parseCrontab(text), told: wasTold || runs };
    this.#known.set(uid, known);
    if (runs && !wasTold) this.#complain(known); // no sandbox is started for it
    return known;
  }

  #begin(user: UserRecord, job: CronJob): void {
    const { uid, name } = user;
    if (this.#running.of(uid) >= mostJobs || this.#running.total >= mostJobsOfAll) {
      if (this.#left.take(uid))
        this.#parts.log.warn({ uid, user: name }, 'a job of a crontab is left out: others are still running');
      return;
    }
    void this.#run(user, job).finally(this.#running.add(uid));
  }

  #complain({ user, crontab: { problems } }: Known): void {
    if (problems.length === 0) return;
    runInside(this.#parts.places, user.name, complaintOf(problems), this.#abort.signal).catch(
      (error: unknown) =>
        this.#parts.log.debug({ err: error, uid: user.uid }, 'what is wrong with a crontab is not told'),
    );
  }

  /** Never rejects. */
  async #run({ uid, name }: UserRecord, job: CronJob): Promise<void> {
    const { places, audit, log } = this.#parts;
    audit.cron({ uid, user: name }, job.command);
    try {
      const status = await runInside(places, name, commandOf(job), this.#abort.signal);
      if (status === 125) log.warn({ uid, user: name }, 'a job of a crontab could not be run');
    } catch (error) {
      if (!this.#abort.signal.aborted) log.error({ err: error, uid }, 'a job of a crontab could not be run');
    }
  }

  /** Jobs that run go on without us. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function policyOf(ownSettings: OwnSettings, user: UserRecord): Promise<EffectivePolicy | undefined> {
  const { evaluation } = await ownSettings.given(user);
  return evaluation.kind === 'ok' ? evaluation.policy : undefined;
}
