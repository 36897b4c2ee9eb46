// A tree as text, file by file: kind, mode, owner, time, size, target, names of one inode, content, attributes.

import { execFileSync } from 'node:child_process';

function run(folder: string, command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: 'latin1', maxBuffer: 1 << 28 });
}

/** Lines sorted by path. Attributes that a host keeps for itself (trusted, labels) are left out. */
export function listTree(folder: string): string[] {
  const lines = new Map<string, string>();
  const inodes = new Map<string, string>();
  const format = '%P\\t%i\\t%y %m %U:%G %T@\\t%s\\t%l\\n';
  for (const line of run(folder, 'find', ['.', '-printf', format]).split('\n').filter(Boolean).sort()) {
    const [path = '', inode = '', facts = '', size = '', target = ''] = line.split('\t');
    const isFile = !facts.startsWith('d');
    const first = inodes.get(inode) ?? path;
    inodes.set(inode, first);
    const same = isFile && first !== path ? ` = ${first}` : '';
    lines.set(path, `${path}: ${facts}${isFile ? ` ${size}` : ''}${target && ` -> ${target}`}${same}`);
  }
  for (const line of run(folder, 'find', ['.', '-type', 'f', '-exec', 'sha256sum', '{}', '+']).split('\n')) {
    const match = /^\\?([0-9a-f]{64}) {2}\.\/(.*)$/.exec(line);
    const [, hash = '', path = ''] = match ?? [];
    if (match !== null) lines.set(path, `${lines.get(path)} ${hash.slice(0, 16)}`);
  }
  let path = '';
  for (const line of run(folder, 'getfattr', [
    '-R',
    '-P',
    '-h',
    '-d',
    '-m',
    '^(user\\.|security\\.capability)',
    '-e',
    'hex',
    '.',
  ]).split('\n')) {
    if (line.startsWith('# file: ')) path = line.slice(8).replace(/^\.\/?/, '');
    else if (line !== '') lines.set(path, `${lines.get(path)} ${line}`);
  }
  return [...lines].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, line]) => line);
}
