// Remembers who is in one sandbox, by ids: sessions, those of them that nobody is at, and ssh connections.

import type { SessionAnswer, SupervisorState } from '../supervisor/supervisor.ts';

export class Present {
  readonly sessions = new Set<string>();
  /** Sessions that go on without anybody. */
  readonly left = new Set<string>();
  readonly connections = new Set<string>();
  #endedMeanwhile: Set<string> | undefined;

  /** Whether it was a session that nobody was at. */
  ended(id: string): boolean {
    this.sessions.delete(id);
    const wasLeft = this.left.delete(id);
    this.connections.delete(id);
    this.#endedMeanwhile?.add(id);
    return wasLeft;
  }

  /** It is there from before anything of it can end; not where it is not accepted. */
  async entering(among: Set<string>, id: string, hand: () => Promise<SessionAnswer>): Promise<SessionAnswer> {
    among.add(id);
    try {
      const answer = await hand();
      if (answer.kind !== 'accepted') among.delete(id);
      return answer;
    } catch (error) {
      among.delete(id);
      throw error;
    }
  }

  /** Learns of those whom an earlier daemon has let in. */
  async adopt(inspect: () => Promise<SupervisorState | undefined>): Promise<SupervisorState | undefined> {
    const ended = new Set<string>();
    this.#endedMeanwhile = ended;
    const state = await inspect();
    for (const { id } of state?.sessions ?? []) if (!ended.has(id)) this.sessions.add(id);
    for (const { id } of state?.connections ?? []) if (!ended.has(id)) this.connections.add(id);
    for (const { id, aloneMs } of state?.kept ?? [])
      if (aloneMs !== undefined && !ended.has(id)) this.left.add(id);
    this.#endedMeanwhile = undefined;
    return state;
  }
}
