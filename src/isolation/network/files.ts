// Writes /etc/hosts and /etc/resolv.conf of a sandbox with a private network. Pure.

/** The names that every sandbox has for its loopback, and its own at the addresses that others see. */
export function hostsText(hostname: string, addresses: readonly string[]): string {
  const own = addresses.map((address) => `${address}\t${hostname}\n`).join('');
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`;
}

/** Where the supervisor writes what changes while the sandbox runs (native/supervisor/network/files.c). */
export const filesInside = '/run/dockersh';

/** The wire's bound on it (docs/protocol.md). */
const mostBytes = 4096;

/** `search` and `options` of the host's (resolv.conf(5)); whom the host asks is the relay's business. */
export function resolvConfText(host: string, resolver: string): string {
  let text = `nameserver ${resolver}\n`;
  for (const line of host.split('\n')) {
    const [, keyword, rest] = /^\s*(search|domain|options)\s+(\S.*?)\s*$/.exec(line) ?? [];
    const kept = keyword === undefined ? '' : `${keyword} ${rest}\n`;
    if (!kept.includes('\0') && Buffer.byteLength(text + kept) <= mostBytes) text += kept;
  }
  return text;
}
