// Begins what runs without anybody who logs in: sandboxes that are started with the host, and crontabs. Once logins are served,
// which both of them use.

import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import { type BootParts, isFirstSinceBoot, startAtBoot } from './boot.ts';
import { Cron, type CronParts } from './cron/cron.ts';

interface ByItselfParts extends Omit<BootParts, 'places'>, Omit<CronParts, 'places' | keyof BootParts> {
  readonly options: { readonly libexec: string; readonly run: string; readonly state: AbsolutePath };
  /** Of the host. */
  readonly boot: string;
  /** What is begun here ends with it. */
  readonly parts: AsyncDisposableStack;
}

export function startByItself({ options, boot, parts, ...shared }: ByItselfParts): Cron {
  const cron = parts.use(Cron.start({ ...shared, places: options }));
  const abort = new AbortController();
  parts.defer(() => abort.abort());
  const isNew = isFirstSinceBoot(options.state, boot);
  const started = async (uid: Uid): Promise<void> => (isNew ? await cron.rebooted(uid) : undefined);
  void startAtBoot({ ...shared, places: options }, started, abort.signal);
  return cron;
}
