// Shows the page's questions, one form at a time. Texts of the host's are shown as texts, never as markup.

import type { Prompt } from '../lib/terminal/page-messages.ts';

export interface Question {
  readonly heading: string;
  readonly words?: string;
  readonly wrong?: boolean;
  readonly prompts: readonly Prompt[];
  readonly submit: string;
  /** Whose password is asked for, for password managers. */
  readonly account?: string;
  /** What password managers are told that the first of the fields is. */
  readonly first?: 'username' | 'current-password';
  readonly answered: (answers: readonly string[]) => void;
  /** Absent: there is no other way on. */
  readonly another?: () => void;
}

export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

function hiddenName(name: string | undefined): HTMLElement[] {
  if (name === undefined) return [];
  const input = document.createElement('input');
  input.autocomplete = 'username';
  input.value = name;
  input.hidden = true;
  return [input];
}

export class Dialog {
  readonly #dialog = element('dialog', HTMLDialogElement);
  readonly #words = element('words', HTMLParagraphElement);
  readonly #fields = element('fields', HTMLDivElement);
  readonly #submit = element('submit', HTMLButtonElement);
  readonly #another = element('another', HTMLButtonElement);
  #question: Question | undefined;

  constructor() {
    element('form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#answer();
    });
    this.#another.addEventListener('click', () => this.#question?.another?.());
    // Escape closes nothing: the terminal behind has no use for what would be typed then.
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
  }

  ask(question: Question): void {
    this.#question = question;
    element('heading', HTMLHeadingElement).textContent = question.heading;
    this.#words.textContent = question.words ?? '';
    this.#words.classList.toggle('wrong', question.wrong === true);
    const fields = question.prompts.map((prompt, index) => this.#field(prompt, index));
    this.#fields.replaceChildren(...hiddenName(question.account), ...fields);
    this.#submit.textContent = question.submit;
    this.#submit.disabled = false;
    this.#another.hidden = question.another === undefined;
    if (!this.#dialog.open) this.#dialog.showModal();
    (this.#fields.querySelector<HTMLInputElement>('label input') ?? this.#submit).focus();
  }

  #field({ text, echo }: Prompt, index: number): HTMLElement {
    const label = document.createElement('label');
    const input = document.createElement('input');
    input.type = echo ? 'text' : 'password';
    input.autocomplete = index === 0 && this.#question?.first !== undefined ? this.#question.first : 'off';
    input.autocapitalize = 'none';
    input.spellcheck = false;
    label.append(text, input);
    return label;
  }

  #answer(): void {
    const inputs = [...this.#fields.querySelectorAll<HTMLInputElement>('label input')];
    const answers = inputs.map(({ value }) => value);
    this.#submit.disabled = true;
    // What was typed is in no page's memory longer than it has to be.
    for (const input of inputs) input.value = '';
    this.#question?.answered(answers);
  }

  close(): void {
    this.#question = undefined;
    this.#fields.replaceChildren();
    this.#dialog.close();
  }
}
