// Runs steps so that all take effect or none: they are done in order, and when one fails, or somebody interrupts,
// those that were begun are taken back from the last to the first. What is begun is on the disk before it is begun,
// so that a run that was killed is taken back, or completed, by the next one.

import { setTimeout as delay } from 'node:timers/promises';
import { CliFailure } from '../failure.ts';
import { type Books, isAlive, ownIdentity } from './books.ts';
import type { Journal } from './plan.ts';

export interface Step {
  readonly name: string;
  /** What is told while it goes on. */
  readonly telling: string;
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Makes everything as it was before, whatever `run` got to; also where there is nothing to do. */
  readonly undo: () => Promise<void>;
}

export interface Work {
  readonly steps: readonly Step[];
  /** Whether users depend on it already: then a killed run is completed, not taken back. */
  readonly isInForce: () => Promise<boolean>;
  /** What is to be done once nothing is taken back any more. May be done twice. */
  readonly finish: () => Promise<void>;
}

const mostTries = 5;
const retryMs = 500;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Throws what made it fail, after everything has been taken back. */
export async function perform(
  books: Books,
  journal: Omit<Journal, 'begun' | 'committed' | 'owner' | 'version'>,
  work: Work,
  tell: (text: string) => void,
): Promise<void> {
  const abort = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => abort.abort(interrupted(signal));
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const begun: string[] = [];
    const entry = (committed: boolean): Journal => ({
      ...journal,
      version: 1,
      begun,
      committed,
      owner: ownIdentity(),
    });
    await books.begin(entry(false));
    try {
      for (const step of work.steps) {
        abort.signal.throwIfAborted();
        begun.push(step.name);
        await books.update(entry(false));
        tell(step.telling);
        await step.run(abort.signal);
      }
      abort.signal.throwIfAborted();
      await books.update(entry(true));
    } catch (error) {
      tell('taking everything back');
      await takeBack(work, begun);
      await books.end(entry(false));
      throw abort.signal.aborted ? abort.signal.reason : error;
    }
    await work.finish();
    await books.end(entry(true));
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** Completes or takes back what a killed run has left. Undefined: that run is still alive. */
export async function recover(
  books: Books,
  journal: Journal,
  work: Work,
): Promise<'completed' | 'taken back' | undefined> {
  if (isAlive(journal.owner)) return undefined;
  if (journal.committed || (await work.isInForce())) {
    await books.update({ ...journal, committed: true });
    await work.finish();
    await books.end(journal);
    return 'completed';
  }
  await takeBack(work, journal.begun);
  await books.end(journal);
  return 'taken back';
}

/** Takes back everything that can be taken back, and afterwards reports what could not. */
async function takeBack({ steps }: Work, begun: readonly string[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.filter(({ name }) => begun.includes(name)).reverse()) {
    try {
      await undone(step);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return;
  const why = failures.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
  throw new CliFailure(
    {
      code: 'E_HALF_DONE',
      message: `not everything could be taken back: ${why}`,
      hint: 'Correct the cause, then run "dockershctl user repair".',
      exitCode: 70,
    },
    { cause: failures[0] },
  );
}

/**
 * The daemon may be in the middle of what was interrupted, and move a file that is just looked at; /etc/passwd may be
 * somebody else's for a moment. What was undone in part is undone whole by the next try.
 */
async function undone(step: Step): Promise<void> {
  for (let left = mostTries - 1; ; left -= 1) {
    try {
      await step.undo();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await delay(retryMs);
    }
  }
}

function interrupted(signal: NodeJS.Signals): CliFailure {
  const exitCode = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal as (typeof signals)[number]];
  return new CliFailure({ code: 'E_CANCELED', message: 'interrupted; nothing was changed', exitCode });
}
