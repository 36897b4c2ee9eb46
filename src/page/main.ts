// The terminal page: asks who somebody is, and shows their terminal. Nothing is kept in the browser but the name, in
// this page's memory.

import type { Prompt, ToPage } from '../lib/terminal/page-messages.ts';
import { Dialog } from './dialog.ts';
import { Keys } from './keys.ts';
import { Line } from './line.ts';
import { Screen } from './screen.ts';
import { allowStyles } from './sheets.ts';

const cutWords =
  'The connection was cut. Log in again: a session that is kept here goes on, and you come back to it. Another one has ended.';
const nobodyWords = 'The gateway can’t be reached, or has not let this connection go on. Try again later.';

class Page {
  readonly #dialog = new Dialog();
  readonly #keys: Keys;
  readonly #screen: Screen;
  #line: Line | undefined;
  #user = '';
  #words = '';
  #wrong = false;
  #started = false;

  constructor() {
    this.#keys = new Keys({
      typed: (text) => this.#line?.type(new TextEncoder().encode(text)),
      copy: () => this.#screen.copy(),
      paste: () => void this.#paste(),
      focus: () => this.#screen.focus(),
    });
    this.#screen = new Screen({
      typed: (bytes) => this.#started && this.#line?.type(this.#keys.typed(bytes)),
      resized: (size) => this.#line?.say({ kind: 'size', size }),
    });
    this.#askName();
  }

  async #paste(): Promise<void> {
    this.#screen.paste(await navigator.clipboard.readText().catch(() => ''));
  }

  #askName(words = '', heading = 'Log in'): void {
    this.#end();
    this.#dialog.ask({
      heading,
      words,
      prompts: [{ text: 'User name', echo: true }],
      submit: 'Go on',
      first: 'username',
      answered: ([user = '']) => this.#logIn(user.trim()),
    });
  }

  #end(): void {
    this.#line?.close();
    this.#line = undefined;
    this.#started = false;
  }

  #logIn(user: string): void {
    if (user === '') {
      this.#askName();
      return;
    }
    this.#user = user;
    this.#words = '';
    this.#wrong = false;
    const size = this.#screen.open();
    this.#line = new Line({
      open: () => this.#line?.say({ kind: 'login', user, size }),
      said: (message) => this.#hear(message),
      shown: (bytes) =>
        this.#screen.show(bytes, () => this.#line?.say({ kind: 'shown', bytes: bytes.length })),
      cut: () =>
        this.#started
          ? this.#offer(cutWords, 'The connection was cut')
          : this.#offer(nobodyWords, 'No connection'),
    });
  }

  #hear(message: ToPage): void {
    switch (message.kind) {
      case 'ask':
        this.#ask(message.text, message.prompts);
        break;
      case 'say':
        this.#words = [this.#words, message.text].filter((text) => text !== '').join('\n');
        this.#wrong = message.wrong;
        break;
      case 'started':
        this.#begin();
        break;
      case 'over':
        this.#offer([this.#words, message.text].filter((text) => text !== '').join('\n'), 'It has ended');
        break;
      case 'alive':
        break;
    }
  }

  #ask(text: string, prompts: readonly Prompt[]): void {
    const words = [this.#words, text].filter((each) => each !== '').join('\n');
    const wrong = this.#wrong;
    this.#words = '';
    this.#wrong = false;
    // PAM may have something to say and nothing to ask.
    this.#dialog.ask({
      heading: `Log in as ${this.#user}`,
      words,
      wrong,
      prompts,
      submit: 'Log in',
      ...(prompts[0]?.echo === false ? { first: 'current-password' as const, account: this.#user } : {}),
      answered: (answers) => this.#line?.say({ kind: 'answers', answers }),
      another: () => this.#askName(),
    });
  }

  #begin(): void {
    this.#started = true;
    this.#words = '';
    this.#dialog.close();
    this.#keys.show();
    this.#screen.focus();
  }

  /** What is behind stays to be read. */
  #offer(words: string, heading: string): void {
    if (this.#started) this.#screen.renew();
    this.#end();
    this.#dialog.ask({
      heading,
      words,
      prompts: [],
      submit: 'Log in again',
      answered: () => this.#logIn(this.#user),
      another: () => this.#askName(),
    });
  }
}

allowStyles();
new Page();
