// Writes /etc/hosts, /etc/resolv.conf and /etc/dockersh/published of a sandbox with a private network. Pure.

/** The names that every sandbox has for its loopback, and its own at the addresses that others see. */
export function hostsText(hostname: string, addresses: readonly string[]): string {
  const own = addresses.map((address) => `${address}\t${hostname}\n`).join('');
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`;
}

/** `search` and `options` of the host's (resolv.conf(5)); whom the host asks is the relay's business. */
export function resolvConfText(host: string, resolver: string): string {
  const kept = host.split('\n').flatMap((line) => {
    const [, keyword, rest] = /^\s*(search|domain|options)\s+(\S.*?)\s*$/.exec(line) ?? [];
    return keyword === undefined ? [] : [`${keyword} ${rest}\n`];
  });
  return `nameserver ${resolver}\n${kept.join('')}`;
}

/** For people and programs inside: which ports of the host lead to which of the sandbox, as of its start. */
export function publishedText(lines: readonly string[]): string {
  const ports = (range = ''): string => range.replace(/^(\d+)-\1$/, '$1');
  const rows = lines.map((line) => {
    const [protocol, address, outside, inside] = line.split(' ');
    return `${protocol} ${address} ${ports(outside)} ${ports(inside)}\n`;
  });
  return `# Published ports: protocol, address of the host, its ports, ports of this sandbox\n${rows.join('')}`;
}
