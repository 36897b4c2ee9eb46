// Writes tar archives that hold an image: a few files with short names and sizes that are known beforehand (POSIX
// ustar; GNU's binary form for sizes of 8 GiB and more, which every reader of images knows).

const block = 512;
const largestOctal = 0o77777777777;

/** One file of the archive; its bytes are read when its turn comes. */
export interface TarFile {
  readonly name: string;
  readonly size: number;
  open(): Promise<AsyncIterable<Uint8Array>>;
}

/** The archive as a stream. Fails where a file has another size than it should. */
export async function* tarStream(files: Iterable<TarFile>): AsyncGenerator<Uint8Array, void, void> {
  for (const file of files) {
    yield tarHeader(file);
    let bytes = 0;
    for await (const chunk of await file.open()) {
      bytes += chunk.length;
      if (bytes > file.size) break;
      yield chunk;
    }
    if (bytes !== file.size) throw new Error(`${file.name} has not the ${file.size} bytes it should have`);
    yield Buffer.alloc((block - (bytes % block)) % block);
  }
  yield Buffer.alloc(2 * block);
}

/** A document that is there already. */
export function tarText(name: string, content: string | Uint8Array): TarFile {
  const bytes = Buffer.from(content);
  return {
    name,
    size: bytes.length,
    open: async () => {
      async function* once(): AsyncGenerator<Uint8Array, void, void> {
        yield bytes;
      }
      return once();
    },
  };
}

/** Always the same for one name and size. */
export function tarHeader({ name, size }: Pick<TarFile, 'name' | 'size'>): Buffer {
  const bytes = Buffer.alloc(block);
  bytes.write(name, 0, 100, 'utf8');
  bytes.write('0000644\0', 100, 'latin1');
  bytes.write('0000000\0', 108, 'latin1');
  bytes.write('0000000\0', 116, 'latin1');
  writeSize(bytes, size);
  bytes.write('00000000000\0', 136, 'latin1');
  bytes.write('        0', 148, 'latin1'); // the checksum counts as blanks; the type is a file
  bytes.write('ustar\x0000', 257, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

function writeSize(bytes: Buffer, size: number): void {
  if (size <= largestOctal) {
    bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    return;
  }
  bytes.writeUInt8(0x80, 124);
  bytes.writeBigUInt64BE(BigInt(size), 128);
}
