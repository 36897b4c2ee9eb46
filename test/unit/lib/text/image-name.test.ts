// Tests of the grammar of image names.

import { expect, test } from 'vitest';
import { parseImageName } from '../../../../src/lib/text/image-name.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['host', { name: 'host', tag: undefined, digest: undefined }],
  ['lab/base:2.1', { name: 'lab/base', tag: '2.1', digest: undefined }],
  [
    'registry.example:5000/lab/base',
    { name: 'registry.example:5000/lab/base', tag: undefined, digest: undefined },
  ],
  ['localhost:5000/base:latest', { name: 'localhost:5000/base', tag: 'latest', digest: undefined }],
  [`a__b/c-d:t@${digest}`, { name: 'a__b/c-d', tag: 't', digest }],
])('%s is a name', (text, parts) => {
  expect(parseImageName(text)).toEqual(parts);
});

test.each([
  '',
  'Base',
  'base:',
  ':tag',
  '/base',
  'base/',
  'lab//base',
  '../base',
  'lab/../base',
  'base:a/b/..',
  '-base',
  'base tag',
  'base@sha256:abc',
  'base\n',
  'bäse',
  `base:${'t'.repeat(129)}`,
  'a'.repeat(256),
  `${'a-'.repeat(100_000)}`,
])('%.30j is no name', (text) => {
  expect(parseImageName(text)).toBeUndefined();
});
