// The first words to whoever logs in at a terminal.

import { expect, test } from 'vitest';
import { type Surroundings, welcomeText } from '../../../src/shell/welcome.ts';

const plain: Surroundings = {
  image: 'debian:13',
  network: { kind: 'none' },
  background: 'keep',
  lingerMs: 600_000,
  selfService: [],
};

test.each([
  [{}, /on box \(image debian:13\)\. It has no network\.\n.* go on for 10m after your last session\.$/],
  [{ network: { kind: 'host' } as const }, /It has the network of the host\.\n/],
  [{ background: 'kill' as const }, /end with the session that started them\.$/],
  [{ lingerMs: Number.POSITIVE_INFINITY }, /go on when you log out\.$/],
  [{ selfService: ['status'] as const }, /last session\. "ssh HOST @help" says what you can do yourself\.$/],
  [{ lingerMs: 0 }, /end when your last session does\.$/],
])('%o', (changes, text) => {
  expect(welcomeText({ ...plain, ...changes }, 'box')).toMatch(text);
});
