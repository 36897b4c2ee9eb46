// Keeps the hyperlinks (OSC 8) that cells name by number. The emulator's own list is replaced: it keeps a marker for
// each line of each link, all of which every scrolled line has to visit, and has no bound.

import { LINK_TEXT, LINKS, LINKS_TEXT } from '../limits.ts';

export interface Link {
  /** What makes one link of several pieces; '' where the program gave none. */
  readonly id: string;
  readonly uri: string;
}

/** Links to open in vain before it is looked again which are still on the screen. */
const PATIENCE = 1024;

export class Links {
  readonly #links = new Map<number, Link>();
  readonly #named = new Map<string, number>();
  readonly #stillUsed: () => Set<number>;
  #next = 1;
  #text = 0;
  #patience = 0;

  /** `stillUsed` looks through all cells. */
  constructor(stillUsed: () => Set<number>) {
    this.#stillUsed = stillUsed;
  }

  get(number: number): Link | undefined {
    return this.#links.get(number);
  }

  /** The number for a link; 0, which is none, where there is no room. */
  open(link: Link): number {
    if (link.uri.length > LINK_TEXT || link.id.length > LINK_TEXT) return 0;
    const known = link.id === '' ? undefined : this.#named.get(nameOf(link));
    if (known !== undefined) return known;
    if (!this.#hasRoom(link)) this.#sweep();
    if (!this.#hasRoom(link)) return 0;
    this.put(this.#next, link);
    return this.#next - 1;
  }

  /** Enters a link under the number that it has in a checkpoint. */
  put(number: number, link: Link): void {
    this.#links.set(number, link);
    if (link.id !== '') this.#named.set(nameOf(link), number);
    this.#text += link.id.length + link.uri.length;
    this.#next = Math.max(this.#next, number + 1);
  }

  #hasRoom(link: Link): boolean {
    return this.#links.size < LINKS && this.#text + link.id.length + link.uri.length <= LINKS_TEXT;
  }

  #sweep(): void {
    if (this.#patience > 0) {
      this.#patience -= 1;
      return;
    }
    const used = this.#stillUsed();
    for (const [number, link] of this.#links) {
      if (used.has(number)) continue;
      this.#links.delete(number);
      if (link.id !== '') this.#named.delete(nameOf(link));
      this.#text -= link.id.length + link.uri.length;
    }
    this.#patience = PATIENCE;
  }
}

function nameOf({ id, uri }: Link): string {
  return `${id};${uri}`;
}

/** Of the text of an OSC 8 sequence: its link, or none, which ends one. */
export function parseLink(text: string): Link | undefined {
  const middle = text.indexOf(';');
  const uri = middle < 0 ? '' : text.slice(middle + 1);
  if (uri === '') return undefined;
  const named = text
    .slice(0, middle)
    .split(':')
    .find((parameter) => parameter.startsWith('id='));
  return { id: named?.slice(3) ?? '', uri };
}
