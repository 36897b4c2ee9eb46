// Finds rules of private networks that do nothing: an allow_out that deny_out beats, one of what is closed by itself,
// and settings for people who have no private network. Pure.

import { whyClosed } from '../../lib/network/closed.ts';
import { formatRule, type NetworkRule } from '../../lib/network/network.ts';
import type { Place, Policy } from '../policy.ts';
import { settingsNaming } from '../precedence.ts';
import { coversRule, type RuleKey } from './answer.ts';
import { type Given, networkOnlyKeys, type Problems } from './places.ts';
import { sourceOfRule } from './sources.ts';

/** Of which host and pools is not known here. */
const nowhere = { pools: [], host: [], bridged: [] };

export function findIdleRules(given: readonly Given[], problems: Problems): void {
  const seen = new Set<string>();
  for (const one of given) {
    // Hundreds of users have the same few rules.
    const rules = JSON.stringify(one.keys.filter(({ key }) => key.endsWith('_out')).map(({ from }) => from));
    if (one.network === undefined || seen.has(rules)) continue;
    seen.add(rules);
    const { allow, open, deny } = one.network;
    for (const rule of allow) {
      if (!isDenied(one, 'allow_out', rule, deny, problems)) findClosed(one, rule, open, problems);
    }
    for (const rule of open) isDenied(one, 'open_out', rule, deny, problems);
  }
}

interface Said {
  readonly written: string;
  readonly place: Place;
}

function saidBy({ keys }: Given, key: RuleKey, rule: NetworkRule): Said | undefined {
  const found = sourceOfRule(keys, key, rule);
  const { file, line } = found?.source ?? {};
  if (found === undefined || file === undefined || line === undefined) return undefined;
  return { written: found.written, place: { file, line } };
}

function isDenied(
  one: Given,
  key: RuleKey,
  rule: NetworkRule,
  deny: readonly NetworkRule[],
  problems: Problems,
): boolean {
  const stronger = deny.find((other) => coversRule(other, rule, []));
  const said = saidBy(one, key, rule);
  if (stronger === undefined || said === undefined) return stronger !== undefined;
  const by = saidBy(one, 'deny_out', stronger);
  const at = by === undefined ? '' : ` in ${by.place.file}:${by.place.line}`;
  problems.add(
    'warning',
    said.place,
    `${key}: ${said.written} never matches: deny_out has ${by?.written ?? formatRule(stronger)}${at}`,
    'deny_out beats whatever is allowed or opened',
  );
  return true;
}

function findClosed(one: Given, rule: NetworkRule, open: readonly NetworkRule[], problems: Problems): void {
  const { target } = rule;
  if (open.some((other) => coversRule(other, rule, []))) return;
  const what =
    target.kind === 'host'
      ? 'an address of this host'
      : target.kind === 'addresses'
        ? whyClosed(target.addresses, nowhere)
        : undefined;
  const said = saidBy(one, 'allow_out', rule);
  if (what === undefined || said === undefined) return;
  problems.add(
    'warning',
    said.place,
    `allow_out: ${said.written} never matches: it is ${what}, which is closed by itself`,
    'write it in open_out',
  );
}

/** For a policy and all accounts of the host. */
export function findIdleSettings(policy: Policy, given: readonly Given[], problems: Problems): void {
  const nameOf = ({ file, line }: Partial<Place>): string => `${file}:${line}`;
  for (const key of networkOnlyKeys) {
    const placesOf = (all: readonly Given[]): Set<string> =>
      new Set(all.flatMap(({ keys }) => keys.find((one) => one.key === key)?.from ?? []).map(nameOf));
    const used = placesOf(given.filter(({ network }) => network !== undefined));
    const idle = placesOf(given.filter(({ network }) => network === undefined));
    for (const setting of settingsNaming(policy, key)) {
      const place = nameOf(setting);
      if (!idle.has(place) || used.has(place)) continue;
      const message = `${key} has no effect: nobody whom it is for has network = private`;
      problems.add('warning', setting, message);
    }
  }
}
