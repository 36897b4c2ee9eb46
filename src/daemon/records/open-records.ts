// Opens what is written down of logins: the records in the log, and the last logins as an earlier daemon has kept them.

import { readFileSync } from 'node:fs';
import type { SessionEnd } from '../../isolation/engine.ts';
import type { Logger } from '../../lib/log.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import { LoginHistory } from '../login/history.ts';
import { Ledger } from './ledger.ts';
import { Records } from './records.ts';

export interface LoginRecords {
  readonly history: LoginHistory;
  readonly records: Records;
  /** Ends, in both, what an earlier daemon has seen begin and what does not run any more. */
  readonly settle: (running: ReadonlySet<string>) => void;
}

export function openRecords(state: AbsolutePath, log: Logger, parts: AsyncDisposableStack): LoginRecords {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const history = new LoginHistory((login) => ledger.add(login));
  const ledger: Ledger = parts.use(
    new Ledger(below(state, 'logins.jsonl'), () => [{ boot }, ...history.all()], log),
  );
  const records = Records.start(log);
  const entries = ledger.read();
  history.restore(entries);
  const cause: EndCause = bootOf(entries) === boot ? 'unseen' : 'host-restarted';
  const settle = (running: ReadonlySet<string>): void => {
    for (const id of history.open()) {
      const told = running.has(id) ? undefined : history.told(id);
      if (told === undefined) continue;
      const end: Omit<SessionEnd, 'user'> = {
        id,
        uid: told.uid,
        cause,
        outcome: undefined,
        failure: undefined,
        stepsNs: [],
      };
      if (history.isOfSsh(id)) {
        history.disconnected({ id, cause });
        records.disconnected({ id, uid: told.uid, cause }, told, undefined);
        continue;
      }
      history.ended(end);
      records.closed(end, told, undefined);
    }
    ledger.rewrite();
  };
  return { history, records, settle };
}

/** Of the daemon that has written them. */
function bootOf(entries: readonly unknown[]): unknown {
  const [first] = entries;
  return typeof first === 'object' && first !== null && 'boot' in first ? first.boot : undefined;
}
