// Feeds what a stranger sends to the gateway's own parsers: whatever it is, they read it or say that it breaks the protocol.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answersOf, authRequestOf } from '../../../src/gateway/auth/request.ts';
import { signalOf, terminalOf, windowChangeOf, x11RequestOf } from '../../../src/gateway/sessions/request.ts';
import { ProtocolError, Reader } from '../../../src/gateway/ssh/reader.ts';
import { Writer } from '../../../src/gateway/ssh/writer.ts';
import { withStandIn } from '../../../src/gateway/transport/hybrid-kex.ts';

const runs = 300 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);
const sessionId = Buffer.alloc(32, 7);

const parsers: readonly ((bytes: Buffer) => unknown)[] = [
  (bytes) => authRequestOf(bytes, sessionId),
  (bytes) => answersOf(Buffer.concat([Buffer.of(61), bytes])),
  (bytes) => terminalOf(new Reader(bytes)),
  (bytes) => windowChangeOf(new Reader(bytes)),
  (bytes) => signalOf(new Reader(bytes)),
  (bytes) => x11RequestOf(new Reader(bytes)),
  (bytes) => withStandIn(bytes, ['mlkem768x25519-sha256']),
];

const request = fc
  .record({
    user: fc.string(),
    method: fc.constantFrom('none', 'password', 'publickey', 'keyboard-interactive', 'hostbased'),
    rest: fc.uint8Array({ maxLength: 200 }),
  })
  .map(({ user, method, rest }) =>
    Buffer.concat([
      new Writer(50).string(user).string('ssh-connection').string(method).finish(),
      Buffer.from(rest),
    ]),
  );
const anything = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

describe("the gateway's parsers", () => {
  it('fail by the protocol alone', () => {
    fc.assert(
      fc.property(fc.oneof(request, anything), fc.nat(200), (bytes, cut) => {
        for (const parse of parsers)
          for (const input of [bytes, bytes.subarray(0, cut)]) {
            try {
              parse(input);
            } catch (error) {
              expect(error).toBeInstanceOf(ProtocolError);
            }
          }
      }),
      { numRuns: runs },
    );
  });
});
