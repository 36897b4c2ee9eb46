// Checks the certificate of the gateway's web page, and its key, where there is a page.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { hasErrno } from '../../lib/errors.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../doctor/check.ts';
import type { Context } from '../doctor/context.ts';

export const webChecks: readonly HostCheck[] = [
  {
    id: 'gateway-web',
    group: 'daemon',
    what: "the web page's certificate is valid, and its key fits and is root's",
    why: 'Browsers refuse the page, or somebody else can pretend to be it.',
    run: checkPage,
  },
];

const dayMs = 86_400_000;
const soonDays = 14;

async function checkPage(context: Context): Promise<Finding> {
  const { policy } = await context.policy();
  if (policy === undefined) return unknown('the policy has mistakes', 'dockershctl policy check');
  const { web, web_certificate: certificate, web_key: key } = policy.gateway;
  if (web.length === 0 || certificate === null || key === null) return ok('there is no web page');
  if (!context.isRoot) return unknown(`${key} can be read by root alone`, 'Run doctor as root.');
  return (await checkMode(key)) ?? (await checkPair(certificate, key));
}

async function checkMode(key: string): Promise<Finding | undefined> {
  try {
    const { uid, mode } = await stat(key);
    if (uid === 0 && (mode & 0o027) === 0) return undefined;
    return critical(
      `${key} is not root's alone: its owner is ${uid}, its mode ${(mode & 0o777).toString(8)}`,
      `Take it for known to others, and get another one; then: chown root ${shellWord(key)} && chmod 600 ${shellWord(key)}`,
    );
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    return critical(`${key} is not there`, 'Set "web_key" in [gateway].');
  }
}

async function checkPair(certificate: string, key: string): Promise<Finding> {
  const again = 'Renew it; the gateway takes the new files by itself.';
  let known: X509Certificate;
  try {
    known = new X509Certificate(await readFile(certificate));
    if (!known.checkPrivateKey(createPrivateKey(await readFile(key))))
      return critical(`${key} is not the key of ${certificate}`, again);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return critical(`${certificate} and ${key} are not understood: ${why}`, again);
  }
  const left = known.validToDate.getTime() - Date.now();
  const day = known.validToDate.toISOString().slice(0, 10);
  if (left <= 0) return critical(`${certificate} has expired on ${day}`, again);
  if (left < soonDays * dayMs) return warning(`${certificate} expires on ${day}`, again);
  return ok(`${certificate}, until ${day}`);
}
