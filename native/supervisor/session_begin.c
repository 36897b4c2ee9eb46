// How a session begins: a login that the daemon hands over is checked, gets its terminal, and is passed on to
// the spawner. From MSG_STARTED on it counts as begun: a client that has not seen it may safely try again.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "control.h"
#include "group.h"
#include "identity.h"
#include "session.h"
#include "session_time.h"
#include "step.h"

static uint8_t request[WIRE_MAX_BYTES];

// `connection`: a client's, which goes back to the daemon; or CLOSED_FD.
static void answer_daemon(struct supervisor *supervisor, enum wire_type type, const char *id,
                          const char *text, int connection) {
    uint8_t bytes[512];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_text(&writer, TAG_ID, id);
    if (text != NULL)
        wire_put_text(&writer, TAG_TEXT, text);
    control_send(supervisor, &writer, connection);
}

// A descriptor that a login may hand over: something to read or write, nothing to walk through.
static bool acceptable(int fd) {
    struct stat info;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_PATH) != 0 || fstat(fd, &info) != 0)
        return false;
    return !S_ISDIR(info.st_mode) && !S_ISBLK(info.st_mode);
}

// A PTY of the sandbox's own devpts, with the settings and the size of the user's terminal. The
// slave comes from the master itself (TIOCGPTPEER), not from a path inside the sandbox.
static int open_pty(struct supervisor *supervisor, const struct identity *identity, int outer, int *pts,
                    struct err *err) {
    cleanup_fd int ptm =
        openat(supervisor->devpts, "ptmx", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int unlocked = 0;
    if (ptm < 0 || ioctl(ptm, TIOCSPTLCK, &unlocked) != 0)
        return err_sys(err, "open a terminal", NULL);
    cleanup_fd int slave = ioctl(ptm, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || fchown(slave, identity_host_uid(identity, &supervisor->spec), (gid_t)-1) != 0)
        return err_sys(err, "open a terminal", "slave");
    struct termios settings;
    struct winsize size;
    if (tcgetattr(outer, &settings) == 0)
        (void)tcsetattr(slave, TCSANOW, &settings);
    if (ioctl(outer, TIOCGWINSZ, &size) == 0)
        (void)ioctl(ptm, TIOCSWINSZ, &size);
    *pts = take_fd(&slave);
    return take_fd(&ptm);
}

static int send_started(int connection, int ptm) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_STARTED);
    unsigned count = ptm >= 0 ? 1 : 0;
    return wire_send(connection, bytes, wire_finish(&writer, count), &ptm, count);
}

// The daemon's fields, and after them what the supervisor has checked or alone knows: whose credentials,
// which slot.
static size_t session_request(const struct supervisor *supervisor, const struct session *session,
                              const struct identity *identity, struct wire_reader *reader, uint32_t tty) {
    uint32_t slot = (uint32_t)(session - supervisor->sessions);
    struct wire_writer writer;
    struct wire_field field;
    static const char remote[] = "SSH_CONNECTION=";
    bool over_ssh = false;
    wire_start(&writer, request, sizeof request, MSG_SESSION);
    while (wire_next(reader, &field)) {
        over_ssh |= field.tag == TAG_ENV && field.length >= sizeof remote &&
                    memcmp(field.value, remote, sizeof remote - 1) == 0;
        if (field.tag != TAG_UID && field.tag != TAG_GID && field.tag != TAG_GROUPS)
            wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    }
    if (over_ssh && session->pts_number >= 0) { // sshd's own names a terminal of the host
        char terminal[48];
        (void)snprintf(terminal, sizeof terminal, "SSH_TTY=/dev/pts/%d", session->pts_number);
        wire_put_text(&writer, TAG_ENV, terminal);
    }
    wire_put_u32(&writer, TAG_UID, identity->uid);
    wire_put_u32(&writer, TAG_GID, identity->gid);
    wire_put(&writer, TAG_GROUPS, identity->groups, identity->group_count * sizeof identity->groups[0]);
    wire_put_u32(&writer, TAG_SLOT, slot);
    wire_put_u32(&writer, TAG_TTY, tty);
    return wire_finish(&writer, 3);
}

static bool ask_spawner(struct supervisor *supervisor, size_t length, const int *fds, struct err *err) {
    if (wire_send(supervisor->spawner, request, length, fds, 3) == 0)
        return true;
    if (errno != EPIPE && errno != ECONNRESET && errno != EBADF)
        return err_sys(err, "ask the spawner", NULL) == 0;
    if (replace_spawner(supervisor, err) != 0)
        return false;
    return wire_send(supervisor->spawner, request, length, fds, 3) == 0;
}

static struct session *free_session(struct supervisor *supervisor) {
    for (size_t index = 0; index < MAX_SESSIONS; index++) {
        if (!supervisor->sessions[index].used)
            return &supervisor->sessions[index];
    }
    return NULL;
}

// `passed` are the descriptors as the session gets them.
static void launch(struct supervisor *supervisor, struct session *session, const struct identity *identity,
                   struct wire_reader *reader, int *passed) {
    uint32_t tty = 0;
    struct err *err = &supervisor->shared->slots[session - supervisor->sessions].err;
    cleanup_fd int ptm = CLOSED_FD;
    session->pts = CLOSED_FD;
    for (unsigned index = 0; index < 3; index++) {
        if (!acceptable(passed[index])) {
            (void)err_plain(err, "descriptors 0, 1 and 2 must not be folders or disks", NULL);
            session_conclude(supervisor, session, 0, 125);
            return;
        }
        if (!isatty(passed[index]))
            continue;
        if (ptm < 0 && (ptm = open_pty(supervisor, identity, passed[index], &session->pts, err)) < 0) {
            session_conclude(supervisor, session, 0, 125);
            return;
        }
        passed[index] = session->pts;
        tty |= 1u << index;
    }
    if (ptm >= 0 && ioctl(ptm, TIOCGPTN, &session->pts_number) != 0)
        session->pts_number = -1;
    size_t length = session_request(supervisor, session, identity, reader, tty);
    if (send_started(session->connection, ptm) != 0) {
        session_conclude(supervisor, session, 1, SIGHUP); // the client has gone in the meantime
        return;
    }
    session->sent_ns = monotonic_ns();
    session->started = ask_spawner(supervisor, length, passed, err);
    if (!session->started)
        session_conclude(supervisor, session, 0, 125);
}

// The client's own message still waits on its connection: the daemon has only looked at it, so that the
// descriptors of a stranger never are the daemon's. Here they concern nobody but their own sandbox.
static void take_login(struct supervisor *supervisor, struct session *session,
                       const struct identity *identity, struct wire_reader *reader) {
    static uint8_t login[WIRE_MAX_BYTES];
    int fds[WIRE_MAX_FDS];
    unsigned count;
    ssize_t length = wire_receive(session->connection, login, sizeof login, fds, &count);
    if (length > 0 && count == 3) {
        int passed[3] = {fds[0], fds[1], fds[2]};
        launch(supervisor, session, identity, reader, passed);
    } else {
        (void)err_plain(&supervisor->shared->slots[session - supervisor->sessions].err,
                        "the login came without descriptors 0, 1 and 2", NULL);
        session_conclude(supervisor, session, 0, 125);
    }
    for (unsigned index = 0; length > 0 && index < count; index++) {
        // A socket that lingers would hold us at its last close; who insists meets the watchdog.
        struct linger none = {.l_onoff = 0};
        (void)setsockopt(fds[index], SOL_SOCKET, SO_LINGER, &none, sizeof none);
        close_fd(fds[index]);
    }
}

void session_start(struct supervisor *supervisor, struct wire_reader *reader, const int *fds,
                   unsigned count) {
    struct wire_reader probe = *reader;
    struct wire_field field;
    char id[ID_BYTES] = "", note[NOTE_BYTES] = "";
    uint32_t most = MAX_SESSIONS;
    while (wire_next(&probe, &field)) {
        if (field.tag == TAG_ID && field.length < sizeof id)
            memcpy(id, field.value, field.length);
        if (field.tag == TAG_TEXT && field.length < sizeof note)
            memcpy(note, field.value, field.length);
        if (field.tag == TAG_MOST_SESSIONS)
            (void)wire_u32(&field, &most);
    }
    struct session *session = free_session(supervisor);
    const char *refusal = NULL;
    struct identity identity;
    if (count != 1 || id[0] == '\0' || identity_read(&identity, &supervisor->spec, *reader) != 0)
        refusal = "protocol";
    else if (supervisor->state != STATE_RUNNING || process_ends(supervisor->init_pid))
        refusal = "stopping"; // what would be started now would die with PID 1
    else if (session == NULL)
        refusal = "sessions";
    else if (session_count(supervisor) >= most)
        refusal = "limit";
    if (refusal != NULL) {
        answer_daemon(supervisor, MSG_REFUSED, id, refusal, count == 1 ? fds[0] : CLOSED_FD);
        return;
    }
    answer_daemon(supervisor, MSG_ACCEPTED, id, NULL, CLOSED_FD);
    *session = (struct session){
        .used = true, .connection = CLOSED_FD, .pts = CLOSED_FD, .pts_number = -1, .kill_at_ns = NEVER};
    session->received_ns = monotonic_ns();
    memcpy(session->id, id, sizeof id);
    memcpy(session->note, note, sizeof note);
    session->connection = fcntl(fds[0], F_DUPFD_CLOEXEC, 3); // the caller closes the message's own
    session_time_begin(session, *reader);
    supervisor->linger_at_ns = NEVER;
    take_login(supervisor, session, &identity, reader);
    if (session->ended && !session->started)
        session_release(supervisor, session);
}

void session_failed_starts(struct supervisor *supervisor) {
    struct err ignored;
    if (step_wait(supervisor->spawner, MSG_STEP, &ignored) != 0)
        close_fd_at(&supervisor->spawner);
    for (size_t index = 0; index < MAX_SESSIONS; index++) {
        struct session *session = &supervisor->sessions[index];
        if (!session->used || session->ended || !session->started)
            continue;
        struct slot *slot = &supervisor->shared->slots[index];
        if (slot->pid > 0 || slot->err.what[0] == '\0')
            continue;
        session_conclude(supervisor, session, 0, 125);
        session_release(supervisor, session);
    }
}
