// @status: the user's sandbox, what it uses of its limits, and what becomes of it without them.

import { humanDuration, humanSize } from '../../../lib/text/human.ts';
import { formatDuration } from '../../../lib/text/units.ts';
import type { EffectivePolicy } from '../../../policy/policy.ts';
import type { AdminParts } from '../../admin/parts.ts';
import { endedText } from '../../notices/ended.ts';
import type { Asking, WordHandler } from '../asking.ts';

export const status: WordHandler = async (asking, { admin, notices }) => {
  const found = await lookAt(asking, admin);
  const ended = notices.of(asking.user.uid);
  const lines = ended.map((one) => `ended      ${endedText(one)}`);
  return { json: { ...found, ended }, text: [textOf(found), ...lines].join('\n') };
};

async function lookAt({ user, policy }: Asking, admin: AdminParts) {
  const { uid } = user;
  const [sandbox] = await admin.engine.list(uid);
  const [used] = await admin.engine.usage(uid);
  const network = await admin.engine.networkOf(uid);
  const disk = await admin.store.diskUse(uid);
  return {
    user: user.name,
    running: sandbox !== undefined,
    image: sandbox?.image ?? policy.image,
    imageNext: policy.image,
    startedAt: sandbox?.startedAt ?? null,
    lingerUntil: sandbox?.lingerUntil ?? null,
    sessions: sandbox?.sessions.length ?? 0,
    connections: sandbox?.connections.length ?? 0,
    memory: { bytes: used?.memoryBytes ?? null, limitBytes: policy.memoryLimitBytes },
    processes: { count: used?.pids ?? null, limit: used?.pidsLimit ?? null },
    cpus: used?.cpus ?? null,
    disk: disk === null ? null : { ...disk },
    network: policy.network.kind,
    addresses: network?.link.addresses ?? [],
    published: network?.published ?? [],
    traffic: network?.traffic ?? null,
    background: policy.background,
    lingerMs: Number.isFinite(policy.lingerMs) ? policy.lingerMs : null,
  };
}

type Look = Awaited<ReturnType<typeof lookAt>>;

function textOf(look: Look): string {
  const rows: [string, string][] = [
    ['sandbox', sandboxText(look)],
    ['image', imageText(look)],
    ['memory', ofMost(look.memory.bytes, look.memory.limitBytes, humanSize)],
    ['processes', ofMost(look.processes.count, look.processes.limit, String)],
    ...(look.cpus === null ? [] : [['cpus', String(look.cpus)] satisfies [string, string]]),
    ['disk', diskText(look)],
    ['network', networkText(look)],
    ['sessions', `${look.sessions}${look.connections > 0 ? ` (${look.connections} ssh connections)` : ''}`],
    ['background', lastingText(look)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)}${value}`).join('\n');
}

function sandboxText({ running, startedAt, lingerUntil }: Look): string {
  if (!running) return 'does not run; your next login starts it';
  const since = startedAt === null ? '' : ` for ${humanDuration(Date.now() - Date.parse(startedAt))}`;
  const until =
    lingerUntil === null
      ? ''
      : `; ends in ${humanDuration(Date.parse(lingerUntil) - Date.now())} without a session`;
  return `runs${since}${until}`;
}

function imageText({ image, imageNext }: Look): string {
  return image === imageNext ? image : `${image}; ${imageNext} from the next start on`;
}

function diskText({ disk }: Look): string {
  if (disk === null) return 'not counted';
  return `${ofMost(disk.bytes, disk.limitBytes, humanSize)}, files ${ofMost(disk.inodes, disk.inodesLimit, String)}`;
}

function networkText({ network, addresses, published, traffic }: Look): string {
  const kinds = { none: 'none', private: 'private', host: "the host's" } as const;
  const more = [
    ...(addresses.length === 0 ? [] : [addresses.join(' ')]),
    ...(traffic === null ? [] : [`${humanSize(traffic.bytesIn)} in, ${humanSize(traffic.bytesOut)} out`]),
    ...(published.length === 0 ? [] : [`published: ${published.join(', ')}`]),
  ];
  return [kinds[network], ...more].join(', ');
}

/** What becomes of programs in the background, in words of the policy. */
export function lastingText({
  background,
  lingerMs,
}: Pick<EffectivePolicy, 'background'> & { lingerMs: number | null }) {
  if (background === 'kill') return 'programs end with the session that started them';
  if (lingerMs === null) return 'programs go on when you log out';
  if (lingerMs === 0) return 'programs end when your last session does';
  return `programs go on for ${formatDuration(lingerMs)} after your last session`;
}

export function ofMost(used: number | null, most: number | null, format: (value: number) => string): string {
  const shown = used === null ? '?' : format(used);
  return most === null ? shown : `${shown} of ${format(most)}`;
}
