// Completes or takes back what killed runs of "user enable" and "user disable" have left.

import type { Console } from '../console.ts';
import { workOfDisabling } from './disable.ts';
import { workOfEnabling } from './enable.ts';
import type { Installation } from './installation.ts';
import { recover } from './transaction.ts';

export interface Repaired {
  readonly user: string;
  readonly kind: 'enable' | 'disable';
  readonly outcome: 'completed' | 'taken back';
}

export async function repairAll(installation: Installation): Promise<Repaired[]> {
  const repaired: Repaired[] = [];
  for (const journal of await installation.books.journals()) {
    const { plan, kind } = journal;
    const work =
      kind === 'enable' ? workOfEnabling(installation, plan, true) : workOfDisabling(installation, plan);
    const outcome = await recover(installation.books, journal, work);
    if (outcome !== undefined) repaired.push({ user: plan.account.name, kind, outcome });
  }
  return repaired;
}

/** Says on standard error what was found to be unfinished. */
export async function repairFirst(
  installation: Installation,
  { stderr }: Pick<Console, 'stderr'>,
): Promise<void> {
  for (const { user, kind, outcome } of await repairAll(installation)) {
    stderr.write(`dockershctl: "user ${kind}" of ${user} was killed half way; it was ${outcome}\n`);
  }
}
