// Makes tar archives entry by entry, wrong ones included, which no tar program would write.

export interface TarEntry {
  readonly name: string;
  /** One character: '0' file, '1' hard link, '2' symbolic link, '3' '4' device, '5' folder, '6' pipe. */
  readonly type?: string;
  readonly data?: string | Uint8Array;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** What the header claims, where it is not the data's length. */
  readonly size?: number;
  /** Records of a pax header before the entry. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
}

export function tar(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)]);
}

export function tarEntry(entry: TarEntry): Buffer {
  const parts: Buffer[] = [];
  if (entry.pax !== undefined) {
    const records = Buffer.concat(Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value)));
    parts.push(header({ name: 'pax', type: 'x', size: records.length }), padded(records));
  }
  const data = Buffer.from(entry.data ?? '');
  parts.push(header({ ...entry, size: entry.size ?? data.length }), padded(data));
  return Buffer.concat(parts);
}

function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** A header block alone. Numbers too large for octal are written in base 256, as GNU tar does. */
export function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(512);
  block.write(entry.name, 0, 100, 'latin1');
  number(block, 100, 8, entry.mode ?? 0o644);
  number(block, 108, 8, entry.uid ?? 0);
  number(block, 116, 8, entry.gid ?? 0);
  number(block, 124, 12, entry.size ?? 0);
  number(block, 136, 12, entry.mtime ?? 1_700_000_000);
  block.write(entry.type ?? '0', 156, 1, 'latin1');
  block.write(entry.link ?? '', 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 8, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

function number(block: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8);
  if (octal.length < length) {
    block.write(octal.padStart(length - 1, '0'), at, length - 1, 'latin1');
    return;
  }
  let rest = BigInt(value);
  for (let index = at + length - 1; index > at; index -= 1) {
    block[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[at] = 0x80;
}
