// Lets sessions go on whose connection has ended, for as long as they may.
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "closing.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "session/notice.h"
#include "session/session.h"

static void tell_detached(const struct supervisor *supervisor, const struct session *session) {
    uint8_t bytes[128];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_DETACHED);
    wire_put_text(&writer, TAG_ID, session->id);
    wire_put_u64(&writer, TAG_KEEP_MS,
                 session->kept->keep_ns == NEVER ? UINT64_MAX : session->kept->keep_ns / 1000000u);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

static bool is_on_its_own(const struct session *session) {
    return session->used && !session->ended && session->kept != NULL && session->kept->left_ns != 0 &&
           session->connection < 0 && !kept_is_seen(session->kept);
}

// Of those that have been left the longest, until there are no more than there may be.
static void end_oldest(struct supervisor *supervisor, unsigned most) {
    for (;;) {
        struct session *oldest = NULL;
        unsigned count = 0;
        for (size_t index = 0; index < supervisor->reached; index++) {
            struct session *session = &supervisor->sessions[index];
            if (!is_on_its_own(session) || session->hung_up || session->kill_at_ns != NEVER)
                continue;
            count++;
            if (oldest == NULL || session->kept->left_ns < oldest->kept->left_ns)
                oldest = session;
        }
        if (count <= most || oldest == NULL)
            return;
        session_end_kept(supervisor, oldest, CAUSE_KEPT_SESSIONS);
    }
}

void kept_check_left(struct supervisor *supervisor, struct session *session) {
    struct kept *kept = session->kept;
    if (kept == NULL || session->connection >= 0 || kept_is_seen(kept) || kept->until_ns != NEVER ||
        session->ended)
        return;
    if (kept->keep_ns == 0) {
        session_end_kept(supervisor, session, CAUSE_HUNG_UP);
        return;
    }
    kept->left_ns = monotonic_ns();
    kept->until_ns = kept->keep_ns == NEVER ? NEVER : kept->left_ns + kept->keep_ns;
    tell_detached(supervisor, session);
    end_oldest(supervisor, kept->most);
}

bool kept_leave(struct supervisor *supervisor, struct session *session) {
    struct kept *kept = session->kept;
    if (kept == NULL || kept->master < 0 || session->pts < 0 || session->ended ||
        session->cause != CAUSE_NONE)
        return false;
    unsigned slot = (unsigned)(session - supervisor->sessions);
    if (kept->keep_ns == 0) {
        kept_look_away(supervisor, kept, slot);
        if (!kept_is_seen(kept))
            return false;
    }
    closing_end(&session->connection, supervisor->spec.uid);
    kept_look_away(supervisor, kept, slot);
    kept_check_left(supervisor, session);
    return true;
}

// ---- what the daemon says --------------------------------------------------------------------------------

// An empty id: all of them.
static bool is_meant(const struct session *session, const char *id) {
    return session->used && !session->ended && session->kept != NULL &&
           (id[0] == '\0' || strcmp(session->id, id) == 0);
}

static void keep(struct supervisor *supervisor, struct session *session, uint64_t keep_ms) {
    struct kept *kept = session->kept;
    kept->keep_ns = keep_ms < NEVER / 1000000u ? keep_ms * 1000000u : NEVER;
    if (kept->until_ns != NEVER || is_on_its_own(session)) {
        kept->until_ns = NEVER;
        kept_check_left(supervisor, session);
    }
}

void kept_detach_others(struct supervisor *supervisor, struct session *session,
                        const struct session *viewer) {
    char text[160];
    (void)snprintf(text, sizeof text, "Detached. Session %d goes on: ssh -t HOST @attach %d.",
                   session->pts_number, session->pts_number);
    if (session->connection >= 0) {
        notice_exit(session, 0, 0, text);
        (void)kept_leave(supervisor, session);
    }
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *other = &supervisor->sessions[index];
        if (other != viewer && other->used && other->seen == session && other->looks <= LOOKS_PEEK)
            kept_look_end(supervisor, other, 0, 0, CAUSE_DETACHED, text);
    }
}

void kept_message(struct supervisor *supervisor, struct wire_reader *reader) {
    char id[ID_BYTES] = "";
    uint64_t keep_ms = 0;
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_ID && field.length < sizeof id) {
            memcpy(id, field.value, field.length);
            id[field.length] = '\0';
        }
        if (field.tag == TAG_KEEP_MS)
            (void)wire_u64(&field, &keep_ms);
    }
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *session = &supervisor->sessions[index];
        if (!is_meant(session, id))
            continue;
        if (reader->type == MSG_KEEP)
            keep(supervisor, session, keep_ms);
        else if (reader->type == MSG_TOUCH)
            kept_touch(supervisor, session->kept);
        else if (session->kept->keep_ns != 0)
            kept_detach_others(supervisor, session, NULL);
    }
}

// ---- what a later daemon hears ---------------------------------------------------------------------------

// How long it still goes on: -1 while somebody is there, -2 without an end.
static long long left_ms(const struct session *session) {
    if (!is_on_its_own(session))
        return -1;
    uint64_t now = monotonic_ns(), until = session->kept->until_ns;
    if (until == NEVER)
        return -2;
    return until > now ? (long long)((until - now) / 1000000u) : 0;
}

void kept_state(const struct supervisor *supervisor, struct wire_writer *writer) {
    uint64_t now = monotonic_ns();
    for (size_t index = 0; index < supervisor->reached; index++) {
        const struct session *session = &supervisor->sessions[index];
        char line[ID_BYTES * 2 + 100];
        int length = 0;
        if (!session->used || session->ended)
            continue;
        if (session->kept != NULL) {
            unsigned long long for_ms =
                is_on_its_own(session) ? (now - session->kept->left_ns) / 1000000u : 0;
            length = snprintf(line, sizeof line, "%s%c%d%c%lld%c%llu%c%d", session->id, 0,
                              session->kept->keep_ns != 0, 0, left_ms(session), 0, for_ms, 0,
                              session->kept->record_waits);
            wire_put(writer, TAG_SESSION_KEPT, line, (size_t)length);
        }
        if (session->seen != NULL) {
            length = snprintf(line, sizeof line, "%s%c%s%c%u", session->id, 0, session->seen->id, 0,
                              (unsigned)session->looks);
            wire_put(writer, TAG_VIEWER, line, (size_t)length);
        }
    }
}
