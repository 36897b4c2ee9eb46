// dockershctl policy explain USER --to HOST[:PORT]: shows what a user's sandbox would be answered there, and which line
// of the policy says so.

import { lookup } from 'node:dns/promises';
import { sysexits } from '../../lib/errors.ts';
import { type Address, parseAddress } from '../../lib/network/address.ts';
import { formatRule, type Network } from '../../lib/network/network.ts';
import { printable } from '../../lib/text/printable.ts';
import { type Answer, answersFor, type Destination, type Traffic } from '../../policy/network/answer.ts';
import { explainedNetwork, sourceOfRule } from '../../policy/network/sources.ts';
import { ruleOf } from '../../policy/values/network.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { surroundingsOf } from '../network/surroundings.ts';

type Explained = AdminResult<'policy.explain'>;

interface Line {
  /** Of the name, where one was given; null: it leads nowhere. */
  readonly address: string | null;
  readonly protocol: string;
  readonly firstPort: number;
  readonly lastPort: number;
  readonly reached: boolean;
  readonly why: string;
}

export async function explainTo(cli: Console, explained: Explained, to: string): Promise<void> {
  const wanted = destinationOf(to);
  const network = explainedNetwork(explained.keys);
  if (network === undefined)
    throw usage(
      `${explained.user} is given no network: "dockershctl policy explain ${explained.user}" says why`,
    );
  const lines = network.kind === 'private' ? await linesOf(cli, explained, network, wanted) : [];
  cli.show({ user: explained.user, to, network: network.kind, answers: lines }, () =>
    textOf(explained.user, to, network.kind, lines),
  );
}

function usage(message: string): CliFailure {
  return new CliFailure({ code: 'E_USAGE', message, exitCode: sysexits.usage });
}

interface Wanted extends Traffic {
  readonly name: string | undefined;
  readonly address: Address | undefined;
}

function destinationOf(to: string): Wanted {
  const parsed = ruleOf(to);
  if (!parsed.ok) throw usage(`--to ${to}: it ${parsed.problem}`);
  const { target, ...traffic } = parsed.value;
  if (target.kind === 'name' && !target.below) return { ...traffic, name: target.name, address: undefined };
  const address = target.kind === 'addresses' ? parseAddress(target.addresses.address) : undefined;
  if (address !== undefined && target.kind === 'addresses' && target.addresses.prefix === bits(address))
    return { ...traffic, name: undefined, address };
  throw usage(`--to ${to}: it is no single host: name one address or one name, such as example.org:443`);
}

const bits = ({ family }: Address): number => (family === 4 ? 32 : 128);

async function linesOf(
  cli: Console,
  { keys }: Explained,
  network: Extract<Network, { kind: 'private' }>,
  { name, address, ...traffic }: Wanted,
): Promise<Line[]> {
  const surroundings = surroundingsOf(await cli.call('network', {}));
  const addresses = name === undefined ? [address] : await addressesOf(name);
  return addresses.flatMap((one) => {
    const destination: Destination = { ...traffic, name, address: one };
    return answersFor(network, destination, surroundings).map((answer) => ({
      address: one?.address ?? null,
      ...answer.about,
      reached: answer.reached,
      why: whyOf(answer, keys),
    }));
  });
}

/** As this host sees the name; a sandbox with name servers of its own may see others. */
async function addressesOf(name: string): Promise<(Address | undefined)[]> {
  try {
    const found = await lookup(name, { all: true });
    return found.map(({ address }) => parseAddress(address));
  } catch {
    return [undefined]; // rules for the name can be told all the same
  }
}

function whyOf({ by }: Answer, keys: Explained['keys']): string {
  switch (by.kind) {
    case 'rule': {
      const found = sourceOfRule(keys, by.key, by.rule);
      const written = `${by.key}: ${found?.written ?? formatRule(by.rule)}`;
      const source = found?.source;
      return source?.file === undefined
        ? written
        : `${written}  ${source.file}:${source.line ?? 0} [${source.section ?? ''}]`;
    }
    case 'closed':
      return `it is ${by.what}, which is closed by itself; only open_out opens it`;
    case 'notAllowed':
      return `no entry of allow_out fits${placesOf(keys, 'allow_out')}`;
    case 'notClosed':
      return 'nothing closes it, and allow_out is none';
    case 'inside':
      return 'it is the loopback of the sandbox itself';
  }
}

function placesOf(keys: Explained['keys'], key: string): string {
  const places = (keys.find((one) => one.key === key)?.from ?? []).flatMap(({ file, line }) =>
    file === undefined ? [] : [`${file}:${line ?? 0}`],
  );
  return places.length === 0 ? '' : `  ${places.join(', ')}`;
}

function textOf(user: string, to: string, kind: Network['kind'], lines: readonly Line[]): string {
  if (kind === 'none') return `${printable(`${user} reaches nothing: network = none`)}\n`;
  if (kind === 'host') return `${printable(`${user} reaches ${to} as this host does: network = host`)}\n`;
  return lines.map((line) => `${printable(lineText(user, to, line))}\n`).join('');
}

function lineText(
  user: string,
  to: string,
  { address, protocol, firstPort, lastPort, reached, why }: Line,
): string {
  const ports =
    firstPort === 0 && lastPort === 65_535
      ? ''
      : ` ${firstPort === lastPort ? firstPort : `${firstPort}-${lastPort}`}`;
  const what = protocol === 'any' ? (ports === '' ? '' : ` port${ports}`) : ` ${protocol}${ports}`;
  const at = address === null || to.includes(address) ? '' : ` at ${address}`;
  return `${user} ${reached ? 'reaches' : 'is refused'} ${to}${at}${what === '' ? '' : `,${what}`}: ${why}`;
}
