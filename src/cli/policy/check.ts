// dockershctl policy check: names the mistakes in a policy, without the daemon, and the users whom an edit concerns,
// before it is put in place.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { errorCatalogue } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { type Affected, affectedBy, namedUsers, unusedSections } from '../../policy/affected.ts';
import { networkStateName, recordedDefault, withOlderNetwork } from '../../policy/network/older.ts';
import { networkProblems } from '../../policy/network/problems.ts';
import { loadPolicyFile } from '../../policy/parse/load.ts';
import type { Policy } from '../../policy/policy.ts';
import { formatProblem, type Problem } from '../../policy/problem.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { readAccounts } from '../host/subjects.ts';
import { bootProblems } from './boot-problems.ts';
import { warnOfFault } from './fault.ts';
import { missingImages } from './missing-images.ts';
import { profileProblems } from './profiles.ts';
import { untrustedImages } from './untrusted.ts';

/** For a daemon that may be stuck. */
const mostWaitMs = 2000;
const daemonsFile = '/etc/dockersh/dockersh.ini';

/** Where the daemon's files are. */
type Daemon = Readonly<Record<'config' | 'state', string>>;
const usual: Daemon = { config: daemonsFile, state: '/var/lib/dockersh' };

interface Report {
  readonly file: string;
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  /** With --against. */
  readonly affected?: readonly Affected[];
}

export function addPolicyCheck(
  policy: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  policy
    .command('check')
    .description('check a policy: the file, and those of conf.d beside it')
    .argument('[file]', 'the file', daemonsFile)
    .option('--against <old>', 'name the users for whom the policy differs from this one')
    .action(async (file: string, { against }: { against?: string }) => {
      const cli = console();
      const daemon = await daemonOf(cli);
      if (daemon?.config === resolve(file)) warnOfFault(cli, daemon.policyFault);
      const unfit = async (policy: Policy) => [
        ...(await (await missingImages(cli, daemon))(policy)),
        ...(daemon === undefined ? [] : await untrustedImages(cli, policy)),
      ];
      const report = await check(file, against, daemon ?? usual, unfit);
      cli.show(report, () => [...textOf(report)].map((line) => `${printable(line)}\n`).join(''));
      const fault = report.problems.find(({ severity }) => severity === 'error');
      if (fault !== undefined) setStatus(errorCatalogue[fault.code ?? 'E_POLICY_INVALID'].exitCode);
    });
}

async function daemonOf(cli: Console): Promise<AdminResult<'health'> | undefined> {
  try {
    return await cli.call('health', {}, { signal: AbortSignal.timeout(mostWaitMs) });
  } catch {
    return undefined; // the file can be checked all the same; "dockershctl doctor" says what the daemon lacks
  }
}

/** A draft may lie where others can write: that it does is only a warning. */
async function load(
  file: string,
  { config, state }: Daemon,
): Promise<{ policy: Policy | undefined; problems: readonly Problem[] }> {
  const { policy, problems } = await loadPolicyFile(resolve(file), { draft: resolve(file) !== config });
  if (policy === undefined || (await recordedDefault(state)) === 'private') return { policy, problems };
  return { policy: withOlderNetwork(policy, resolve(state, networkStateName)), problems };
}

async function check(
  file: string,
  against: string | undefined,
  daemon: Daemon,
  unfitImages: (policy: Policy) => Promise<Problem[]>,
): Promise<Report> {
  const { policy, problems } = await load(file, daemon);
  if (policy === undefined) return { file, valid: false, problems };
  const old = against === undefined ? undefined : await load(against, daemon);
  const names = [...namedUsers(policy), ...(old?.policy === undefined ? [] : namedUsers(old.policy))];
  const { users, groups, complete } = await readAccounts(names);
  const unused = complete ? unusedSections(policy, users, groups) : [];
  const profiles = await profileProblems(policy);
  const networks = networkProblems(policy, users.values(), complete);
  const boots = bootProblems(policy, users.values());
  const all = [...problems, ...unused, ...networks, ...boots, ...profiles, ...(await unfitImages(policy))];
  const valid = !all.some(({ severity }) => severity === 'error');
  if (!valid || old === undefined) return { file, valid, problems: all };
  if (old.policy === undefined) return { file, valid: false, problems: [...old.problems, ...all] };
  const subjects = [...users.values()].filter(({ uid }) => uid !== 0);
  return { file, valid: true, problems: all, affected: affectedBy(old.policy, policy, subjects) };
}

function* textOf({ file, valid, problems, affected }: Report): Generator<string> {
  yield* problems.map(formatProblem);
  for (const { users, changes } of affected ?? []) {
    yield `${users.length} ${users.length === 1 ? 'user' : 'users'}: ${someOf(users)}`;
    for (const { key, before, after } of changes)
      yield `    ${key}: ${before ?? '(not set)'} -> ${after ?? '(not set)'}`;
  }
  if (affected?.length === 0) yield 'nobody is affected';
  yield `${file}: ${valid ? 'valid' : 'not valid'}`;
}

const mostNamed = 10;

function someOf(users: readonly string[]): string {
  const more = users.length - mostNamed;
  return users.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
