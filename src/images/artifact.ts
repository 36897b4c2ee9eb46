// Tells images of root filesystems from all else that registries and layouts hold in the same form, and says what
// that is: charts, signatures, attestations. Pure.

import { mayNotBeDistributed, mediaTypes } from './oci.ts';

const layerTypes: ReadonlySet<string> = new Set([
  mediaTypes.layerTar,
  mediaTypes.layerGzip,
  mediaTypes.layerZstd,
  mediaTypes.dockerLayer,
  mediaTypes.dockerLayerTar,
  mediaTypes.dockerLayerZstd,
]);
const configTypes: ReadonlySet<string> = new Set([mediaTypes.config, mediaTypes.dockerConfig]);

const kinds: readonly (readonly [RegExp, string])[] = [
  [/helm/, 'a Helm chart'],
  [/simplesigning|sigstore|cosign|notary|signature/, 'a signature'],
  [/in-toto|dsse|slsa/, 'an attestation'],
  [/spdx|cyclonedx|syft/, 'a bill of materials'],
  [/wasm/, 'a WebAssembly module'],
];

/** As much of a manifest as says what it is. */
export interface Outline {
  readonly artifactType?: string | null | undefined;
  readonly config: { readonly mediaType: string };
  readonly layers: readonly { readonly mediaType: string }[];
}

/** Why it is no image that anybody could start, "it is a Helm chart (TYPE)"; undefined where it is one. */
export function whyNoImage({ artifactType, config, layers }: Outline): string | undefined {
  const strange = layers.find((layer) => !layerTypes.has(layer.mediaType) && !mayNotBeDistributed(layer));
  const isImage = configTypes.has(config.mediaType);
  if (isImage && strange === undefined) return undefined;
  const types = [artifactType ?? '', ...(isImage ? [] : [config.mediaType]), strange?.mediaType ?? ''];
  for (const [pattern, kind] of kinds) {
    const type = types.find((one) => pattern.test(one));
    if (type !== undefined) return `it is no image but ${kind} (${shown(type)})`;
  }
  if (!isImage) return `it is no image: its configuration is of the kind ${shown(config.mediaType)}`;
  const type = strange?.mediaType ?? '';
  return type.endsWith('+encrypted')
    ? 'it has encrypted layers'
    : `it has a layer of the kind ${shown(type)}`;
}

/** An entry of an index that says by itself that it is no image. */
export function isMarkedArtifact(entry: {
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platform?: { readonly os: string } | undefined;
}): boolean {
  const { artifactType = '', annotations, platform } = entry;
  return (
    artifactType !== '' ||
    platform?.os === 'unknown' ||
    annotations?.['vnd.docker.reference.type'] !== undefined
  );
}

const mostTypeChars = 200;

function shown(type: string): string {
  return type.slice(0, mostTypeChars);
}
