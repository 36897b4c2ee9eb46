// The keys of [images]: what holds for all images of the host. Pure.

import type { KeySpec } from '../section-schema.ts';
import {
  count,
  oneOf,
  proxyAddress,
  proxyExceptions,
  registryHost,
  registryHostOrNone,
  registryHosts,
  size,
} from '../values/basic.ts';
import { trustedImages } from '../values/images.ts';

export const imageKeys = {
  registry: {
    type: registryHost,
    defaultText: 'docker.io',
    values: 'a host, with a port where it needs one',
    applies: 'image',
    doc: 'The registry of names that say none: "debian:trixie" means "docker.io/library/debian:trixie".',
    example: 'registry.example',
  },
  plain_http: {
    type: registryHosts,
    defaultText: 'none',
    values: 'hosts with blanks between, or none',
    applies: 'image',
    doc: 'Registries that are spoken to without TLS. Those on the loopback interface always may be; no other one is unless it is named here.',
    example: 'registry.lab.example:5000',
  },
  mirror: {
    type: registryHostOrNone,
    defaultText: 'none',
    values: 'a host, with a port where it needs one, or none',
    applies: 'image',
    doc: 'A mirror of the default registry ("registry"). Pulls of its images are tried there first, and at the registry itself where the mirror does not serve. Credentials of the registry are never sent to the mirror.',
    example: 'mirror.lab.example:5000',
  },
  proxy: {
    type: proxyAddress,
    defaultText: 'environment',
    values: 'the URL of an HTTP proxy, environment, or none',
    applies: 'image',
    doc: 'The proxy by which registries are reached. environment: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say in the environment of dockershd. The loopback interface is never reached by a proxy.',
    example: 'http://proxy.lab.example:3128',
  },
  no_proxy: {
    type: proxyExceptions,
    defaultText: 'none',
    values: 'hosts, domains and networks with blanks between, or none',
    applies: 'image',
    doc: 'What is reached without the proxy, besides what NO_PROXY says: a host and all hosts below it, ".domain" for those below alone, an address, or a network such as 10.0.0.0/8.',
    example: 'registry.lab.example 10.0.0.0/8',
  },
  images_trusted: {
    type: trustedImages,
    defaultText: 'none',
    values: 'GLOB=KEY with blanks between, several keys with commas, or none',
    applies: 'sandbox',
    doc: 'Whose images may run: names or globs, each with the files of public keys, in /etc/dockersh/keys, one of which is to have signed them (cosign, ECDSA P-256). An image that no entry names is refused, by pulls and by starts. none: every image is trusted. docs/images.md, "Only what is trusted runs".',
    example: 'registry.example/lab/*=lab.pem,lab-2027.pem docker.io/library/*=vendor.pem',
  },
  unsigned_local: {
    type: oneOf('yes', 'no'),
    defaultText: 'no',
    values: 'yes or no',
    applies: 'sandbox',
    doc: 'With "images_trusted": whether the image "host", and what was imported, committed or bootstrapped on this host, may run without a signature. Not by a name that an entry of "images_trusted" has.',
    example: 'yes',
  },
  max_entries: {
    type: count,
    defaultText: '1000000',
    values: 'a whole number of at least 1',
    applies: 'image',
    doc: 'Most files, folders and links that one layer may hold. An archive with more is refused.',
    example: '200000',
  },
  max_bytes: {
    type: size(1024 ** 2),
    defaultText: '64G',
    values: 'a size of at least 1M',
    applies: 'image',
    doc: 'Largest size of one layer when it is unpacked. An archive that grows beyond it is refused, however small it came.',
    example: '8G',
  },
} as const satisfies Record<string, KeySpec>;
