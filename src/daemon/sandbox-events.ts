// Tells the parts of the daemon what becomes of sandboxes and their sessions, in the order in which they need it.

import type { ImageStore } from '../images/store/image-store.ts';
import type { EngineEvents } from '../isolation/engine.ts';
import { laterOnce } from '../lib/async/later-once.ts';
import type { Logger } from '../lib/log.ts';
import type { Cron } from './cron/cron.ts';
import type { Admission } from './login/admission.ts';
import type { Doors } from './login/doors.ts';
import type { UserNotices } from './notices/notices.ts';
import type { LiveLimits } from './policy/live-limits.ts';
import type { UserKeys } from './policy/user-keys.ts';
import type { Recordings } from './recordings/recordings.ts';
import type { LoginRecords } from './records/open-records.ts';
import type { AskedInside } from './self-service/asked-inside.ts';

/** Made later than what tells them of events. */
export interface MadeLater {
  live?: LiveLimits;
  admission?: Admission;
  doors?: Doors;
  keys?: UserKeys;
  cron?: Cron;
  asked: AskedInside;
}

export interface EventParts extends Pick<LoginRecords, 'history' | 'records' | 'audit'> {
  readonly used: Readonly<MadeLater>;
  readonly notices: UserNotices;
  readonly images: ImageStore;
  readonly recordings: Recordings;
  readonly log: Logger;
}

export function eventsFor(parts: EventParts): EngineEvents {
  const { history, records, audit, recordings, notices, used, images, log } = parts;
  const sweepLater = laterOnce(60_000, () => {
    images.collectGarbage().catch((error: unknown) => log.warn({ err: error }, 'unused layers stay for now'));
  });
  return {
    sessionEnded: (end) => {
      const { id: session, uid, user } = end;
      records.closed(end, { ...history.told(session), session, uid, user }, history.msSince(session));
      history.ended(end);
      notices.sessionEnded(end);
      recordings.ended(session, uid, user);
      used.admission?.changed();
      used.keys?.follow(uid);
    },
    sessionDetached: (event) => {
      const { id: session, uid, user } = event;
      records.detached(event, { ...history.told(session), session, uid, user });
    },
    sessionAttached: (event) => {
      const { id: session, uid, user } = event;
      records.attached(event, { ...history.told(session), session, uid, user });
    },
    sessionRecording: (event) => {
      const { id: session, uid, user } = event;
      records.recording(event, { ...history.told(session), session, uid, user });
      recordings.changed(event);
    },
    forwarded: (forward) => {
      const { id: session, uid, user } = forward;
      audit.forwarded(forward, { ...history.told(session), session, uid, user });
    },
    connectionEnded: (end) => {
      const { id, uid } = end;
      records.disconnected(end, history.told(id) ?? { session: id, uid }, history.msSince(id));
      history.disconnected(end);
      used.admission?.changed();
    },
    asked: (asked) => used.asked.take(asked),
    trafficRefused: (now) => audit.trafficRefused(now),
    sandboxStarted: (started) => {
      history.sandboxStarted(started);
      records.sandboxStarted(started);
      notices.sandboxStarted(started);
      used.doors?.open(started.uid);
      used.live?.follow(started.uid); // the policy may have changed meanwhile
    },
    sandboxEnded: (end) => {
      records.sandboxEnded(end);
      notices.sandboxEnded(end);
      used.doors?.close(end.uid);
      used.keys?.follow(end.uid);
      used.cron?.sandboxEnded(end.uid);
      used.admission?.changed();
      sweepLater();
    },
  };
}
