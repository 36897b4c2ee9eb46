// Leads a client through authentication: reads its requests, passes them to the monitor, which decides alone, and writes the
// monitor's answers. One request at a time, in order.

import { fieldsOf, textOf, u32Of, type WireMessage, WireWriter } from '../../lib/wire.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { disconnect, message } from '../ssh/numbers.ts';
import { ProtocolError, Reader } from '../ssh/reader.ts';
import { Writer } from '../ssh/writer.ts';
import type { Transport } from '../transport/transport.ts';
import { type AuthRequest, answersOf, authRequestOf } from './request.ts';

/** GW_AUTH_ANSWER's CODE. */
const success = 0;
const partialSuccess = 1;
const failure = 2;
const keyWouldDo = 3;
const promptsFollow = 4;

/** Requests that may wait for the one before. */
const mostWaiting = 10;

export class Authentication {
  readonly #transport: Transport;
  readonly #monitor: Monitor;
  readonly #done: () => void;
  readonly #waiting: AuthRequest[] = [];
  #methods: string;
  #banner: string | undefined;
  #service = false;
  #busy = false;
  /** The slot of a request that the monitor has prompts for. */
  #prompted: number | undefined;
  /** What the client is told its request is: of a key that would do, both are said again. */
  #current: AuthRequest | undefined;

  /** `methods`: what a client may begin with. `done`: it is authenticated. */
  constructor(
    transport: Transport,
    monitor: Monitor,
    { methods, banner, done }: { methods: string; banner: string | undefined; done: () => void },
  ) {
    this.#transport = transport;
    this.#monitor = monitor;
    this.#methods = methods;
    this.#banner = banner;
    this.#done = done;
  }

  packet(type: number, payload: Buffer): void {
    if (type === message.serviceRequest) this.#begin(payload);
    else if (type === message.userauthRequest && this.#service) this.#request(payload);
    else if (type === message.userauthInfoResponse && this.#prompted !== undefined) this.#answers(payload);
    else throw new ProtocolError(`message ${type} before authentication`);
  }

  #begin(payload: Buffer): void {
    const name = new Reader(payload, 1).name();
    if (name !== 'ssh-userauth') throw new ProtocolError('a service that there is none of', 7);
    this.#service = true;
    this.#transport.send(new Writer(message.serviceAccept).string(name).finish());
    const banner = this.#banner;
    this.#banner = undefined;
    if (banner !== undefined) this.#say(banner);
  }

  /** As it stands: a file's lines end as they do there, with sshd as well. */
  #say(text: string): void {
    this.#transport.send(new Writer(message.userauthBanner).string(text).string('').finish());
  }

  #request(payload: Buffer): void {
    // Copied: it may wait, and passwords in it are overwritten with what they came in.
    const request = authRequestOf(Buffer.from(payload), this.#transport.sessionId);
    if (this.#prompted !== undefined) {
      // Another method in the midst of prompts: these are given up (RFC 4256, section 3.1), which is no answer to any.
      this.#tellMonitor('gwAnswers', this.#prompted);
      this.#prompted = undefined;
      this.#waiting.push(request);
      return;
    }
    if (this.#waiting.length === mostWaiting) throw new ProtocolError('too many requests at once');
    this.#waiting.push(request);
    this.#next();
  }

  #tellMonitor(type: 'gwAnswers', slot: number): void {
    void this.#answered(slot, new WireWriter(type).u32('slot', slot));
  }

  #next(): void {
    if (this.#busy) return;
    const request = this.#waiting.shift();
    if (request === undefined) return;
    this.#current = request;
    const slot = this.#monitor.slot();
    const kind = request.method === 'other' ? 'none' : request.method;
    const asked = new WireWriter('gwAuth')
      .u32('slot', slot)
      .byteString('user', request.user)
      .text('kind', kind);
    if (request.method === 'password') asked.bytes('text', request.password);
    if (request.method === 'publickey') {
      asked.bytes('gwKey', request.key).text('name', request.algorithm);
      if (request.signed !== undefined)
        asked.bytes('gwData', request.signed.data).bytes('gwSignature', request.signed.signature);
    }
    void this.#answered(slot, asked);
  }

  #answers(payload: Buffer): void {
    const slot = this.#prompted ?? 0;
    this.#prompted = undefined;
    const said = new WireWriter('gwAnswers').u32('slot', slot);
    for (const answer of answersOf(payload)) said.bytes('gwData', answer);
    void this.#answered(slot, said);
  }

  async #answered(slot: number, asked: WireWriter): Promise<void> {
    this.#busy = true;
    const { message: answer } = await this.#monitor.ask(slot, asked);
    this.#busy = false;
    this.#pass(slot, answer);
    this.#next();
  }

  /** Says to the client what the monitor has said. */
  #pass(slot: number, answer: WireMessage): void {
    const code = u32Of(answer, 'code');
    const text = textOf(answer, 'text');
    this.#methods = textOf(answer, 'gwMethods') ?? this.#methods;
    if (code === promptsFollow) {
      this.#prompted = slot;
      this.#prompt(text ?? '', fieldsOf(answer, 'gwPrompt'));
      return;
    }
    if (
      text !== undefined &&
      text !== '' &&
      (code === success || code === partialSuccess || code === failure)
    )
      this.#say(text.endsWith('\n') ? text : `${text}\n`);
    if (code === success) {
      this.#waiting.length = 0;
      this.#transport.authenticated();
      this.#transport.send(new Writer(message.userauthSuccess).finish());
      this.#done();
    } else if (code === keyWouldDo && this.#current?.method === 'publickey') {
      const { algorithm, key } = this.#current;
      this.#transport.send(new Writer(message.userauthPkOk).string(algorithm).string(key).finish());
    } else if (code === partialSuccess || code === failure) {
      this.#transport.send(
        new Writer(message.userauthFailure)
          .string(this.#methods)
          .boolean(code === partialSuccess)
          .finish(),
      );
    } else {
      this.#transport.disconnect(disconnect.noMoreAuthMethods, text ?? 'Too many authentication failures.');
    }
  }

  #prompt(instruction: string, prompts: readonly Buffer[]): void {
    const request = new Writer(message.userauthInfoRequest).string('').string(instruction).string('');
    request.u32(prompts.length);
    for (const prompt of prompts) request.string(prompt.subarray(1)).boolean(prompt[0] !== 0);
    this.#transport.send(request.finish());
  }
}
