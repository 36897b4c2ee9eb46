// Writes an OCI archive with one layer and a configuration for dockersh's container.   container-image.ts ROOT.tar OUTPUT NAME:TAG ARCHITECTURE

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type TarFile, tarStream, tarText } from '../src/images/export/tar-writer.ts';
import { mediaTypes, refNameAnnotation } from '../src/images/oci.ts';

const [root = '', output = '', name = '', architecture = ''] = process.argv.slice(2);
const created = new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? '0') * 1000).toISOString();

const sha256 = (bytes: string): string => createHash('sha256').update(bytes).digest('hex');

/** Passes everything on, and knows its digest in the end. */
function digester(): { readonly stream: Transform; readonly hex: () => string } {
  const hash = createHash('sha256');
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, hex: () => hash.digest('hex') };
}

const layerFile = `${root}.gz`;
const [plain, packed] = [digester(), digester()];
await pipeline(
  createReadStream(root),
  plain.stream,
  createGzip({ level: 6 }),
  packed.stream,
  createWriteStream(layerFile),
);
const layer = { hex: packed.hex(), size: statSync(layerFile).size };

const config = JSON.stringify({
  created,
  architecture,
  os: 'linux',
  config: {
    Entrypoint: ['/usr/lib/dockersh/container'],
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    ExposedPorts: { '2222/tcp': {} },
    StopSignal: 'SIGTERM',
    Volumes: { '/var/lib/dockersh': {} },
  },
  rootfs: { type: 'layers', diff_ids: [`sha256:${plain.hex()}`] },
  history: [{ created, created_by: 'script/container-image' }],
});
const describe = (mediaType: string, hex: string, size: number) => ({
  mediaType,
  digest: `sha256:${hex}`,
  size,
});
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: mediaTypes.manifest,
  config: describe(mediaTypes.config, sha256(config), Buffer.byteLength(config)),
  layers: [describe(mediaTypes.layerGzip, layer.hex, layer.size)],
});
const index = JSON.stringify({
  schemaVersion: 2,
  mediaType: mediaTypes.index,
  manifests: [
    {
      ...describe(mediaTypes.manifest, sha256(manifest), Buffer.byteLength(manifest)),
      annotations: { [refNameAnnotation]: name.split(':')[1] ?? 'latest', 'io.containerd.image.name': name },
    },
  ],
});
const blob = (hex: string, size: number, open: TarFile['open']): TarFile => ({
  name: `blobs/sha256/${hex}`,
  size,
  open,
});
const text = (bytes: string): TarFile => tarText(`blobs/sha256/${sha256(bytes)}`, bytes);
const files = [
  tarText('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
  blob(layer.hex, layer.size, async () => createReadStream(layerFile)),
  ...[text(config), text(manifest), tarText('index.json', index)],
];
await pipeline(Readable.from(tarStream(files), { objectMode: false }), createWriteStream(output));
await rm(layerFile);
