// Describes the policy as JSON Schema, for editors and for programs that write policy files: sections as objects,
// settings as the texts that stand behind "=". What a text has to look like exactly, only "policy check" knows. Pure.

import { describePolicyKey, gatewaySection, hostSection, imagesSection, policyKeys } from './schema.ts';
import type { KeyDoc } from './section-schema.ts';

type Json = Readonly<Record<string, unknown>>;

export function policyJsonSchema(): Json {
  const settings = objectOf(policyKeys, describePolicyKey);
  const variables = {
    '^env\\.[A-Za-z_][A-Za-z0-9_]*$': { type: 'string', description: 'An environment variable.' },
  };
  const ofUsers = { ...settings, patternProperties: variables };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Policy of dockersh',
    type: 'object',
    properties: {
      defaults: { $ref: '#/$defs/settings' },
      images: objectOf(imagesSection.keys, imagesSection.describe),
      host: objectOf(hostSection.keys, hostSection.describe),
      gateway: objectOf(gatewaySection.keys, gatewaySection.describe),
    },
    patternProperties: { '^(user|group|image):.+$': { $ref: '#/$defs/settings' } },
    additionalProperties: false,
    $defs: { settings: ofUsers },
  };
}

function objectOf<Key extends string>(keys: readonly Key[], describe: (key: Key) => KeyDoc): Json {
  return {
    type: 'object',
    properties: Object.fromEntries(keys.map((key) => [key, settingOf(describe(key))])),
    additionalProperties: false,
  };
}

/** Where all values are words of a list, the list itself. */
const wordsOnly = /^[a-z]+(?:, [a-z]+)+$/;

function settingOf({ doc, values, defaultText, example }: KeyDoc): Json {
  const words = wordsOnly.test(values) ? { enum: values.split(', ') } : {};
  const fallback = defaultText === undefined ? {} : { default: defaultText };
  return { type: 'string', description: `${doc} (${values})`, ...words, ...fallback, examples: [example] };
}
