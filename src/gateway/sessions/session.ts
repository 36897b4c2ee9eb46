// Serves one session channel: gathers what the client wants of it, has the monitor start it, and joins the channel to what
// comes back: the master of a terminal, or three pipes.

import { closeAll, type OwnedFd } from '../../lib/fd.ts';
import { textOf, u32Of, WireWriter } from '../../lib/wire.ts';
import type { Channel } from '../channels/channel.ts';
import type { Listeners } from '../forwards/listeners.ts';
import type { Monitor, SessionEnd } from '../monitor/monitor.ts';
import { stderrData } from '../ssh/numbers.ts';
import { Reader } from '../ssh/reader.ts';
import { SocketStream } from '../streams/socket-stream.ts';
import { TerminalStream } from '../streams/terminal-stream.ts';
import { signalOf, type Terminal, terminalOf, windowChangeOf, x11RequestOf } from './request.ts';

/** As many as sshd takes; the policy says which of them count. */
const mostVariables = 128;
/** sshd's, where a session can't be had. */
const refusedStatus = 254;

export class Session {
  readonly #channel: Channel;
  readonly #monitor: Monitor;
  readonly #listeners: Listeners;
  readonly #variables: Buffer[] = [];
  #terminal: Terminal | undefined;
  #agent = false;
  #x11: string | undefined;
  #slot: number | undefined;
  #master: TerminalStream | undefined;
  #ended = false;

  constructor(channel: Channel, monitor: Monitor, listeners: Listeners) {
    this.#channel = channel;
    this.#monitor = monitor;
    this.#listeners = listeners;
    channel.request = (name, payload, at) => this.#request(name, new Reader(payload, at));
  }

  async #request(name: string, reader: Reader): Promise<boolean> {
    switch (name) {
      case 'shell':
        return this.#start('shell', undefined);
      case 'exec':
      case 'subsystem':
        return this.#start(name, reader.string());
      case 'window-change':
        return this.#resize(windowChangeOf(reader));
      case 'signal':
        return this.#signal(signalOf(reader));
      case 'break':
        // Terminals that are no serial lines have none; sshd says the same of it.
        return this.#terminal !== undefined && this.#slot !== undefined;
      case 'eow@openssh.com':
        this.#channel.closeSources();
        return true;
      default:
        return this.#slot === undefined && this.#prepare(name, reader);
    }
  }

  /** What is said before the session starts. */
  async #prepare(name: string, reader: Reader): Promise<boolean> {
    switch (name) {
      case 'pty-req':
        if (this.#terminal !== undefined) return false;
        this.#terminal = terminalOf(reader);
        return true;
      case 'env': {
        const variable = Buffer.concat([reader.string(), Buffer.from('='), reader.string()]);
        if (this.#variables.length === mostVariables || variable.includes(0)) return false;
        this.#variables.push(variable);
        return true;
      }
      case 'auth-agent-req@openssh.com':
        this.#agent ||= await this.#listeners.agent();
        return this.#agent;
      case 'x11-req': {
        if (this.#x11 !== undefined) return false;
        const { single, protocol, cookie, screen } = x11RequestOf(reader);
        const display = await this.#listeners.x11(single);
        if (display === undefined) return false;
        this.#x11 = `${protocol} ${cookie} ${screen} ${display}`;
        return true;
      }
      default:
        return false;
    }
  }

  #resize(size: readonly number[]): boolean {
    if (this.#terminal === undefined) return false;
    if (this.#slot === undefined) this.#terminal = { ...this.#terminal, size };
    else this.#master?.resize(size);
    return true;
  }

  #signal(signal: number | undefined): boolean {
    if (signal === undefined || this.#slot === undefined || this.#ended) return false;
    this.#monitor.signal(this.#slot, signal);
    return true;
  }

  #asked(slot: number, kind: string, argument: Buffer | undefined): WireWriter {
    const asked = new WireWriter('gwSession').u32('slot', slot).text('kind', kind);
    if (argument !== undefined) asked.bytes('arg', argument);
    for (const variable of this.#variables) asked.bytes('env', variable);
    if (this.#terminal !== undefined) {
      const { term, size, modes } = this.#terminal;
      asked
        .bytes('gwTerm', term)
        .u32('gwSize', ...size)
        .bytes('gwModes', modes);
    }
    if (this.#agent) asked.u32('gwAgent', 1);
    if (this.#x11 !== undefined) asked.text('gwX11', this.#x11);
    return asked;
  }

  async #start(kind: 'shell' | 'exec' | 'subsystem', argument: Buffer | undefined): Promise<boolean> {
    if (this.#slot !== undefined || this.#channel.gone) return false;
    const slot = this.#monitor.slot();
    this.#slot = slot;
    this.#monitor.whenEnded(slot, (end) => this.#channel.later(() => this.#end(end)));
    const { message, fds } = await this.#monitor.ask(slot, this.#asked(slot, kind, argument));
    if (u32Of(message, 'code') !== 0) {
      closeAll(fds);
      return this.#refused(textOf(message, 'text'));
    }
    // Closing what came is the hang-up of a channel that has gone meanwhile.
    if (!this.#join(fds)) closeAll(fds);
    return true;
  }

  /** Whether the client is told here: a reason is among the session's own output then. */
  #refused(reason: string | undefined): boolean {
    this.#ended = true;
    if (reason === undefined || reason === '') return false;
    const channel = this.#channel;
    // Clients show nothing of a session that has not started.
    channel.later(() => {
      channel.say(`${reason.trimEnd()}\r\n`, stderrData);
      channel.sendRequest('exit-status', (packet) => packet.u32(refusedStatus));
      channel.close();
    });
    return true;
  }

  /** Whether the descriptors are somebody's now. */
  #join(fds: readonly OwnedFd[]): boolean {
    const [input, output, errors] = fds;
    const mayClose = (): boolean => this.#ended;
    if (input !== undefined && fds.length === 1) {
      const terminal = new TerminalStream(input);
      this.#master = terminal;
      this.#channel.join(terminal, [{ source: terminal }], mayClose);
      return true;
    }
    if (input === undefined || output === undefined || errors === undefined || fds.length !== 3) return false;
    const sources = [
      { source: SocketStream.of(output, 'in') },
      { source: SocketStream.of(errors, 'in'), kind: stderrData },
    ];
    this.#channel.join(SocketStream.of(input, 'out'), sources, mayClose);
    return true;
  }

  #end(end: SessionEnd): void {
    this.#ended = true;
    if (end.kind === 'exit') this.#channel.sendRequest('exit-status', (packet) => packet.u32(end.status));
    else
      this.#channel.sendRequest('exit-signal', (packet) =>
        packet.string(end.name).boolean(end.core).string('').string(''),
      );
    this.#channel.closeIfDone();
  }
}
