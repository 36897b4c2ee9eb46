// Reads the packet filter of this host (nft -j list ruleset), to tell whether other programs' rules keep packets of
// private networks from passing through the host: what one table drops, no other table can let through.

import * as z from 'zod';
import { runCommand } from './command.ts';

/** Links of sandboxes begin with this. */
const ours = /^dsh.*[*+]$|^dsh\*?$/;
const ownTable = 'dockersh';

const Chain = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  hook: z.string().optional(),
  policy: z.string().optional(),
});
const Rule = z.object({
  family: z.string(),
  table: z.string(),
  chain: z.string(),
  expr: z.array(z.record(z.string(), z.unknown())).default([]),
});
type Rule = z.infer<typeof Rule>;
const Ruleset = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

/** Whose rules drop what passes through the host. `other`: a table that nobody is known to make. */
export type Firewall = 'ufw' | 'firewalld' | 'docker' | 'other';

export interface Barrier {
  readonly whose: Firewall;
  /** As in "ip filter FORWARD". */
  readonly chain: string;
  /** What is not let through: packets that leave a sandbox, or the answers to them. */
  readonly what: 'out' | 'back';
}

/** Undefined: nft is not there, or says nothing that can be read. */
export async function barriers(): Promise<readonly Barrier[] | undefined> {
  const finished = await runCommand('nft', ['-j', 'list', 'ruleset']);
  return finished?.status === 0 ? barriersIn(finished.stdout.toString()) : undefined;
}

/** Undefined where it is no list of rules. */
export function barriersIn(text: string): readonly Barrier[] | undefined {
  const parsed = Ruleset.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const chains: z.infer<typeof Chain>[] = [];
  const rules: Rule[] = [];
  for (const { chain, rule } of parsed.data.nftables) {
    const [asChain, asRule] = [Chain.safeParse(chain), Rule.safeParse(rule)];
    if (asChain.success) chains.push(asChain.data);
    if (asRule.success) rules.push(asRule.data);
  }
  return chains.flatMap((chain): Barrier[] => {
    const { family, table, name, hook, policy } = chain;
    const drops = policy === 'drop' || table === 'firewalld';
    if (hook !== 'forward' || !drops || table === ownTable || !['ip', 'ip6', 'inet'].includes(family))
      return [];
    const there = rules.filter((rule) => rule.family === family && rule.table === table);
    const names = chains.filter((one) => one.family === family && one.table === table).map((one) => one.name);
    const base = { whose: whoseIs(table, names), chain: `${family} ${table} ${name}` } as const;
    if (!there.some((rule) => isFor(rule, 'iifname') && accepts(rule, table)))
      return [{ ...base, what: 'out' }];
    return there.some((rule) => letsBack(rule, table)) ? [] : [{ ...base, what: 'back' }];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function whoseIs(table: string, chains: readonly string[]): Firewall {
  if (table === 'firewalld') return 'firewalld';
  // Others stay when it is disabled.
  if (chains.some((name) => /^ufw6?-user-forward$/.test(name))) return 'ufw';
  return chains.includes('DOCKER-USER') ? 'docker' : 'other';
}

interface Match {
  readonly left?: { readonly meta?: { readonly key?: string } };
  readonly right?: unknown;
}

/** The interfaces that a rule is about; undefined: whatever they are. */
function interfaceOf({ expr }: Rule, key: 'iifname' | 'oifname'): unknown {
  const matches = expr.map(({ match }) => match as Match | undefined);
  return matches.find((match) => match?.left?.meta?.key === key)?.right;
}

function isFor(rule: Rule, key: 'iifname' | 'oifname'): boolean {
  const name = interfaceOf(rule, key);
  return typeof name === 'string' && ours.test(name);
}

/** firewalld sends a zone's packets to chains of the zone, whose target is not looked into. */
const accepts = ({ expr }: Rule, table: string): boolean =>
  expr.some((one) => 'accept' in one || (table === 'firewalld' && ('goto' in one || 'jump' in one)));

function letsBack(rule: Rule, table: string): boolean {
  if (!accepts(rule, table)) return false;
  if (isFor(rule, 'oifname')) return true;
  const anywhere = [interfaceOf(rule, 'iifname'), interfaceOf(rule, 'oifname')].every(
    (name) => name === undefined,
  );
  // "ct state established accept", and as iptables writes it.
  return anywhere && /"key":"state"|conntrack/.test(JSON.stringify(rule.expr));
}
