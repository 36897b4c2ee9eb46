// Opens what is written down of logins: the records in the log, and the last logins as an earlier daemon has kept them.

import { readFileSync } from 'node:fs';
import type { SessionEnd } from '../../isolation/engine.ts';
import type { Logger } from '../../lib/log.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import type { HostPolicy } from '../../policy/policy.ts';
import { Audit } from '../audit/audit.ts';
import { LoginHistory } from '../login/history.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Ledger } from './ledger.ts';
import { Records } from './records.ts';

export interface LoginRecords {
  /** Of the host, as it is called by the kernel. */
  readonly boot: string;
  readonly history: LoginHistory;
  readonly records: Records;
  readonly audit: Audit;
  /** Ends, in both, what an earlier daemon has seen begin and what does not run any more. */
  readonly settle: (running: ReadonlySet<string>) => void;
}

export interface RecordPlaces {
  readonly state: AbsolutePath;
  /** Folder of the audit trail. */
  readonly audit: AbsolutePath;
}

export function openRecords(
  places: RecordPlaces,
  host: () => HostPolicy,
  metrics: Metrics,
  log: Logger,
  parts: AsyncDisposableStack,
): LoginRecords {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const history = new LoginHistory((login) => ledger.add(login));
  const ledger: Ledger = parts.use(
    new Ledger(below(places.state, 'logins.jsonl'), () => [{ boot }, ...history.all()], log),
  );
  const audit = parts.use(Audit.start(places.audit, host, boot, log));
  const records = Records.start(log, { audit, metrics });
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
    for (const id of audit.openIds) if (!running.has(id)) audit.unseen(id, history.told(id) ?? {}, cause);
    ledger.rewrite();
  };
  return { boot, history, records, audit, settle };
}

/** Of the daemon that has written them. */
function bootOf(entries: readonly unknown[]): unknown {
  const [first] = entries;
  return typeof first === 'object' && first !== null && 'boot' in first ? first.boot : undefined;
}
