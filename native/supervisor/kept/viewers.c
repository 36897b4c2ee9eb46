// Lets login clients look at sessions, and tells them how the sessions end.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "closing.h"
#include "control/tell.h"
#include "kept/child.h"
#include "kept/kept.h"
#include "session/notice.h"
#include "session/session.h"

#define EXIT_OURS 125

#define WATCHES "The administrator of this host is looking at this session."
#define JOINS "The administrator of this host has joined this session, and can type."
#define LEAVES "The administrator of this host has left this session."

uint32_t kept_view(enum looks looks) {
    switch (looks) {
    case LOOKS_ATTACH:
        return VIEW_TYPES | VIEW_HOLDS | VIEW_SIZES;
    case LOOKS_JOIN:
        return VIEW_TYPES | VIEW_SIZES;
    default:
        return 0;
    }
}

static struct looker *free_looker(struct kept *kept) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        if (kept->lookers[index].socket < 0)
            return &kept->lookers[index];
    return NULL;
}

static bool tell_client(int connection, int socket) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_STARTED);
    return wire_send(connection, bytes, wire_finish(&writer, 1), &socket, 1) == 0;
}

bool kept_show(struct session *session, struct session *viewer, unsigned slot, enum looks looks, bool fresh) {
    struct kept *kept = session->kept;
    struct looker *looker = free_looker(kept);
    int pair[2];
    if (looker == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    cleanup_fd int ours = pair[0];
    cleanup_fd int theirs = pair[1];
    if (!tell_client(viewer->connection, theirs))
        return false;
    *looker = (struct looker){.slot = slot, .looks = looks, .socket = take_fd(&ours)};
    // A keeper that does not take it is killed: the next one begins with it. Before the first one, that does.
    if (kept->pid > 0 &&
        !kept_tell(kept, MSG_KEEPER_VIEWER, kept_view(looks) | (fresh ? VIEW_FRESH : 0), looker->socket))
        (void)kill(kept->pid, SIGKILL);
    return true;
}

bool kept_is_seen(const struct kept *kept) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        const struct looker *looker = &kept->lookers[index];
        if (looker->socket >= 0 && looker->looks == LOOKS_ATTACH)
            return true;
    }
    return false;
}

void kept_look_away(const struct supervisor *supervisor, struct kept *kept, unsigned slot) {
    for (size_t index = 0; kept != NULL && index < KEEPER_VIEWERS; index++) {
        struct looker *looker = &kept->lookers[index];
        if (looker->socket < 0 || looker->slot != slot)
            continue;
        (void)shutdown(looker->socket, SHUT_RDWR); // the keeper's copy, too
        closing_end(&looker->socket, supervisor->spec.uid);
    }
}

// ---- logins that look ------------------------------------------------------------------------------------

void kept_look_begin(struct session *viewer, struct wire_reader reader) {
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_TARGET && field.length < sizeof viewer->target) {
            memcpy(viewer->target, field.value, field.length);
            viewer->target[field.length] = '\0';
        }
        if (field.tag == TAG_OFFER)
            viewer->offered = true;
        if (field.tag == TAG_VIEW)
            (void)wire_u32(&field, &viewer->looks);
        viewer->tells |= field.tag == TAG_TELLS;
        viewer->takes |= field.tag == TAG_TAKES;
    }
}

static struct session *find(struct supervisor *supervisor, const char *id) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *session = &supervisor->sessions[index];
        if (session->used && !session->ended && session->kept != NULL && session->kept->master >= 0 &&
            strcmp(session->id, id) == 0)
            return session;
    }
    return NULL;
}

static void tell_attached(const struct supervisor *supervisor, const struct session *session,
                          const struct session *viewer) {
    uint8_t bytes[256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_ATTACHED);
    wire_put_text(&writer, TAG_ID, session->id);
    wire_put_text(&writer, TAG_VIEWER, viewer->id);
    wire_put_u32(&writer, TAG_VIEW, viewer->looks);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

static void look(struct supervisor *supervisor, struct session *viewer, int code) {
    const char *why = NULL;
    struct session *session = find(supervisor, viewer->target);
    if (code == LOOK_HAS_NO_TERMINAL)
        why = "There is no terminal to show the session on. Add -t to ssh's arguments.";
    else if (code != 0)
        why = "Your login could not be taken.";
    else if (session == NULL)
        why = "That session has just ended.";
    else if (!kept_show(session, viewer, (unsigned)(viewer - supervisor->sessions), (enum looks)viewer->looks,
                        true))
        why = "As many as can are looking at that session already.";
    if (why != NULL) {
        kept_look_end(supervisor, viewer, 0, EXIT_OURS, CAUSE_NOT_STARTED, why);
        return;
    }
    viewer->seen = session;
    if (viewer->looks == LOOKS_ATTACH) {
        session->kept->until_ns = NEVER;
        session->kept->left_ns = 0;
    }
    tell_attached(supervisor, session, viewer);
    if (viewer->takes)
        kept_detach_others(supervisor, session, viewer);
    if (viewer->tells)
        notice_one(supervisor, session, viewer->looks == LOOKS_JOIN ? JOINS : WATCHES);
}

// The number of its process is anybody's from now on.
void kept_look_exited(struct supervisor *supervisor, struct session *viewer, int status) {
    struct slot *slot = &supervisor->shared->slots[viewer - supervisor->sessions];
    slot->pid = 0;
    if (slot->err.code == FAILURE_NONE) {
        look(supervisor, viewer, status);
        return;
    }
    session_conclude(supervisor, viewer, 0, EXIT_OURS);
    session_release(supervisor, viewer);
}

const struct session *kept_signalled(const struct session *session) {
    if (session->target[0] == '\0')
        return session;
    return session->looks == LOOKS_ATTACH ? session->seen : NULL;
}

void kept_look_end(struct supervisor *supervisor, struct session *viewer, uint32_t kind, uint32_t code,
                   enum cause cause, const char *text) {
    struct session *session = viewer->seen;
    bool tells = viewer->tells;
    notice_exit(viewer, kind, code, text);
    if (session != NULL)
        kept_look_away(supervisor, session->kept, (unsigned)(viewer - supervisor->sessions));
    closing_end(&viewer->connection, supervisor->spec.uid);
    viewer->ended = true;
    session_report_end(supervisor, viewer, kind, code, cause, "");
    session_release(supervisor, viewer);
    if (session != NULL && tells)
        notice_one(supervisor, session, LEAVES);
    if (session != NULL)
        kept_check_left(supervisor, session);
    supervisor_linger(supervisor);
}

// What they have not seen yet, the keeper still shows them: their sockets stay its.
void kept_dismiss(struct supervisor *supervisor, struct session *session, uint32_t kind, uint32_t code,
                  enum cause cause, const char *text) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *viewer = &supervisor->sessions[index];
        if (!viewer->used || viewer->seen != session)
            continue;
        viewer->seen = NULL;
        kept_look_end(supervisor, viewer, kind, code, cause, text);
    }
}
