// Says to whoever logs in at a terminal what this is, what is not there, and how long what they leave behind goes on. Pure.

import { formatDuration } from '../lib/text/units.ts';
import type { EffectivePolicy } from '../policy/policy.ts';

export type Surroundings = Pick<
  EffectivePolicy,
  'image' | 'network' | 'background' | 'lingerMs' | 'selfService'
>;

const networks = {
  none: 'It has no network.',
  private: 'Its network reaches what the administrator lets it.',
  host: 'It has the network of the host.',
} as const;

export function welcomeText(
  { image, network, background, lingerMs, selfService }: Surroundings,
  hostname: string,
): string {
  return [
    `This is your own sandbox on ${hostname} (image ${image}). ${networks[network.kind]}`,
    `${lasting(background, lingerMs)}${selfService.length === 0 ? '' : more}`,
  ].join('\n');
}

const more = ' "ssh HOST @help" says what you can do yourself.';

function lasting(background: Surroundings['background'], lingerMs: number): string {
  if (background === 'kill') return 'Programs in the background end with the session that started them.';
  if (lingerMs === Number.POSITIVE_INFINITY) return 'Programs in the background go on when you log out.';
  if (lingerMs === 0) return 'Programs in the background end when your last session does.';
  return `Programs in the background go on for ${formatDuration(lingerMs)} after your last session.`;
}
