// Leads whoever is at the page through authentication: asks them what the monitor wants to know, and tells the monitor, which
// decides alone. A key can't be shown by a page: what is left are passwords, and the questions that PAM asks.

import type { Prompt, ToPage } from '../../lib/terminal/page-messages.ts';
import { fieldsOf, textOf, u32Of, type WireMessage, WireWriter } from '../../lib/wire.ts';
import type { Monitor } from '../monitor/monitor.ts';

export interface LoginParts {
  readonly monitor: Pick<Monitor, 'slot' | 'ask'>;
  /** What may begin, with commas between. */
  readonly methods: string;
  readonly say: (message: ToPage) => void;
  /** Logged in. */
  readonly done: () => void;
}

/** GW_AUTH_ANSWER's CODE. */
const success = 0;
const partialSuccess = 1;
const failure = 2;
const promptsFollow = 4;

type Waiting = { readonly kind: 'password' } | { readonly kind: 'prompts'; readonly slot: number };

export class WebLogin {
  readonly #parts: LoginParts;
  #methods: string;
  #user: string | undefined;
  #waiting: Waiting | undefined;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    this.#methods = parts.methods;
  }

  /** False: somebody has been named already. */
  begin(user: string): boolean {
    if (this.#user !== undefined) return false;
    this.#user = user;
    void this.#try();
    return true;
  }

  /** False: nothing was asked. */
  answer(answers: readonly string[]): boolean {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return false;
    if (waiting.kind === 'password') {
      void this.#ask('password', answers[0] ?? '');
      return true;
    }
    const said = new WireWriter('gwAnswers').u32('slot', waiting.slot);
    for (const answer of answers) said.text('gwData', answer);
    void this.#answered(waiting.slot, said);
    return true;
  }

  /** The first method that can go on: PAM's own questions before a password alone, as ssh(1) has it. */
  async #try(): Promise<void> {
    const methods = this.#methods.split(',');
    if (methods.includes('keyboard-interactive')) await this.#ask('keyboard-interactive');
    else if (methods.includes('password'))
      this.#prompt('', [{ text: 'Password:', echo: false }], { kind: 'password' });
    else this.#over('Here people log in with keys, which a web page can’t show. Use ssh.');
  }

  async #ask(kind: string, password?: string): Promise<void> {
    const slot = this.#parts.monitor.slot();
    const asked = new WireWriter('gwAuth')
      .u32('slot', slot)
      .text('user', this.#user ?? '')
      .text('kind', kind);
    if (password !== undefined) asked.text('text', password);
    await this.#answered(slot, asked);
  }

  async #answered(slot: number, asked: WireWriter): Promise<void> {
    const { message } = await this.#parts.monitor.ask(slot, asked);
    await this.#pass(slot, message);
  }

  async #pass(slot: number, answer: WireMessage): Promise<void> {
    const code = u32Of(answer, 'code');
    const text = textOf(answer, 'text') ?? '';
    this.#methods = textOf(answer, 'gwMethods') ?? this.#methods;
    if (code === promptsFollow) {
      const prompts = fieldsOf(answer, 'gwPrompt').map((prompt) => ({
        text: prompt.subarray(1).toString('utf8'),
        echo: prompt[0] !== 0,
      }));
      this.#prompt(text, prompts, { kind: 'prompts', slot });
      return;
    }
    if (code === success) {
      if (text !== '') this.#parts.say({ kind: 'say', text, wrong: false });
      this.#parts.done();
    } else if (code === partialSuccess || code === failure) {
      const wrong = code === failure;
      if (wrong || text !== '')
        this.#parts.say({ kind: 'say', text: text === '' ? 'That was not right.' : text, wrong });
      await this.#try();
    } else this.#over(text === '' ? 'Too many authentication failures.' : text);
  }

  #prompt(text: string, prompts: readonly Prompt[], waiting: Waiting): void {
    this.#waiting = waiting;
    this.#parts.say({ kind: 'ask', text, prompts });
  }

  #over(text: string): void {
    this.#parts.say({ kind: 'over', text });
  }
}
