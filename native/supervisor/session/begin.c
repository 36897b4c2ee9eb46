// Begins sessions: a login that the daemon hands over is checked and passed on to the spawner; its own
// process takes what the client sent (streams.c). From MSG_STARTED on it counts as begun: a client that has
// not seen it may safely try again.
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cgroup/group.h"
#include "cleanup.h"
#include "closing.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "session/identity.h"
#include "session/session.h"
#include "session/time.h"

static uint8_t request[WIRE_MAX_BYTES];

// `connection`: a client's, which goes back to the daemon; or CLOSED_FD.
static bool answer_daemon(struct supervisor *supervisor, enum wire_type type, const char *id,
                          enum failure refusal, int connection) {
    uint8_t bytes[512];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_text(&writer, TAG_ID, id);
    if (refusal != FAILURE_NONE)
        wire_put_u32(&writer, TAG_FAILURE, (uint32_t)refusal);
    return tell_daemon(supervisor, &writer, connection);
}

// The daemon's fields, and after them what the supervisor has checked or alone knows: whose credentials,
// which slot.
static size_t session_request(const struct supervisor *supervisor, const struct session *session,
                              const struct identity *identity, struct wire_reader *reader) {
    uint32_t slot = (uint32_t)(session - supervisor->sessions);
    struct wire_writer writer;
    struct wire_field field;
    wire_start(&writer, request, sizeof request, MSG_SESSION);
    while (wire_next(reader, &field)) {
        bool is_checked = field.tag == TAG_UID || field.tag == TAG_GID || field.tag == TAG_GROUPS;
        if (!is_checked && (field.tag != TAG_OFFER || session->offered))
            wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    }
    wire_put_u32(&writer, TAG_UID, identity->uid);
    wire_put_u32(&writer, TAG_GID, identity->gid);
    wire_put(&writer, TAG_GROUPS, identity->groups, identity->group_count * sizeof identity->groups[0]);
    wire_put_u32(&writer, TAG_SLOT, slot);
    return wire_finish(&writer, 1);
}

static bool ask_spawner(struct supervisor *supervisor, size_t length, int connection, struct err *err) {
    bool asked = wire_send(supervisor->spawner, request, length, &connection, 1) == 0;
    if (!asked && errno != EPIPE && errno != ECONNRESET && errno != EBADF)
        return err_sys(err, "ask the spawner", NULL) == 0;
    if (!asked && replace_spawner(supervisor, err) == 0)
        asked = wire_send(supervisor->spawner, request, length, &connection, 1) == 0;
    supervisor->asked += asked ? 1 : 0;
    return asked;
}

static struct session *free_session(struct supervisor *supervisor) {
    for (size_t index = 0; index < MAX_SESSIONS; index++) {
        if (!supervisor->sessions[index].used)
            return &supervisor->sessions[index];
    }
    return NULL;
}

// The client's own message still waits on its connection: the daemon and we have only looked at it, so that
// the descriptors of a stranger are never ours. The session's own process receives them (streams.h).
static void launch(struct supervisor *supervisor, struct session *session, const struct identity *identity,
                   struct wire_reader *reader) {
    struct err *err = &supervisor->shared->slots[session - supervisor->sessions].err;
    size_t length = session_request(supervisor, session, identity, reader);
    session->sent_ns = monotonic_ns();
    session->started = ask_spawner(supervisor, length, session->connection, err);
    // Not before: the daemon has nothing more to do with it, and the session would wait.
    (void)answer_daemon(supervisor, MSG_ACCEPTED, session->id, FAILURE_NONE, CLOSED_FD);
    if (!session->started)
        session_conclude(supervisor, session, 0, 125);
}

void session_start(struct supervisor *supervisor, struct wire_reader *reader, int *fds, unsigned count) {
    struct wire_reader probe = *reader;
    struct wire_field field;
    char id[ID_BYTES] = "", note[NOTE_BYTES] = "";
    uint32_t most = MAX_SESSIONS;
    bool looks = false;
    while (wire_next(&probe, &field)) {
        if (field.tag == TAG_ID && field.length < sizeof id)
            memcpy(id, field.value, field.length);
        if (field.tag == TAG_TEXT && field.length < sizeof note)
            memcpy(note, field.value, field.length);
        if (field.tag == TAG_MOST_SESSIONS)
            (void)wire_u32(&field, &most);
        looks |= field.tag == TAG_TARGET; // which needs no place
    }
    struct session *session = free_session(supervisor);
    enum failure refusal = FAILURE_NONE;
    struct identity identity;
    if (count < 1 || count > 2 || id[0] == '\0' || identity_read(&identity, &supervisor->spec, *reader) != 0)
        refusal = FAILURE_PROTOCOL;
    else if (supervisor->state != STATE_RUNNING || process_ends(supervisor->init_pid))
        refusal = FAILURE_STOPPING; // what would be started now would die with PID 1
    else if (session == NULL)
        refusal = FAILURE_PLACES;
    else if (session_count(supervisor) >= most && !looks)
        refusal = FAILURE_SESSIONS;
    else if (closing_is_full(supervisor->spec.uid))
        refusal = FAILURE_STUCK;
    if (refusal != FAILURE_NONE) {
        // Back to the daemon; where there is none, it is ours to close.
        if (!answer_daemon(supervisor, MSG_REFUSED, id, refusal, count >= 1 ? fds[0] : CLOSED_FD) &&
            count >= 1)
            closing_end(&fds[0], supervisor->spec.uid);
        return;
    }
    bool has_place = session_count(supervisor) < most;
    *session = (struct session){
        .used = true, .connection = CLOSED_FD, .pts = CLOSED_FD, .pts_number = -1, .kill_at_ns = NEVER};
    size_t end = (size_t)(session - supervisor->sessions) + 1;
    supervisor->reached = end > supervisor->reached ? end : supervisor->reached;
    session->received_ns = monotonic_ns();
    memcpy(session->id, id, sizeof id);
    memcpy(session->note, note, sizeof note);
    session->connection = take_fd(&fds[0]);
    session_time_begin(session, *reader);
    kept_look_begin(session, *reader);
    session->offered &= has_place;
    if (session->target[0] == '\0' || session->offered)
        kept_begin(session, *reader, count == 2 ? &fds[1] : NULL);
    supervisor->linger_at_ns = NEVER;
    launch(supervisor, session, &identity, reader);
    if (session->ended && !session->started)
        session_release(supervisor, session);
}

// The spawner has said that it could not fork for a session.
static void failed_starts(struct supervisor *supervisor) {
    for (size_t index = 0; index < supervisor->reached; index++) {
        struct session *session = &supervisor->sessions[index];
        if (!session->used || session->ended || !session->started)
            continue;
        struct slot *slot = &supervisor->shared->slots[index];
        if (slot->pid > 0 || slot->err.code == FAILURE_NONE)
            continue;
        session_conclude(supervisor, session, 0, 125);
        session_release(supervisor, session);
    }
}

// A session's process has made its terminal. `fds`: its slave, and its master where the session has a keeper.
static void keep_terminal(struct supervisor *supervisor, struct wire_reader *reader, int *fds,
                          unsigned count) {
    struct wire_field field;
    uint32_t slot = MAX_SESSIONS, number = 0;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &slot);
        if (field.tag == TAG_TTY)
            (void)wire_u32(&field, &number);
    }
    struct session *session = slot < MAX_SESSIONS ? &supervisor->sessions[slot] : NULL;
    if (session == NULL || !session->used || session->ended || session->connection < 0)
        return;                // its client has gone in the meantime
    session->target[0] = '\0'; // what it was offered has not been taken
    session->pts = take_fd(&fds[0]);
    session->pts_number = (int)number;
    if (count == 2 && !kept_terminal(supervisor, session, &fds[1]))
        session_end_kept(supervisor, session, CAUSE_NOT_STARTED);
}

static bool has_word(int fd) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

void session_hear_spawner(struct supervisor *supervisor) {
    while (supervisor->spawner >= 0 && has_word(supervisor->spawner)) {
        uint8_t bytes[64];
        int fds[WIRE_MAX_FDS] = {CLOSED_FD};
        unsigned count;
        struct wire_reader reader;
        ssize_t length = wire_receive(supervisor->spawner, bytes, sizeof bytes, fds, &count);
        if (length <= 0 || !wire_open(&reader, bytes, (size_t)length)) {
            close_fd_at(&supervisor->spawner);
            failed_starts(supervisor);
            return;
        }
        if (reader.type == MSG_TERMINAL && (count == 1 || count == 2))
            keep_terminal(supervisor, &reader, fds, count);
        else
            failed_starts(supervisor);
        for (unsigned index = 0; index < count; index++)
            close_fd(fds[index]);
    }
}
