// Sessions: what a login becomes once the daemon has handed it over. The login client's connection
// ends here, so that a daemon that is stopped, upgraded or killed takes no session with it.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "group.h"
#include "identity.h"
#include "session_time.h"
#include "step.h"
#include "supervisor.h"

#define RETRY_MS 20u

static uint8_t request[WIRE_MAX_BYTES];

size_t session_count(const struct supervisor *supervisor) {
    size_t count = 0;
    for (size_t index = 0; index < MAX_SESSIONS; index++)
        count += supervisor->sessions[index].used && !supervisor->sessions[index].ended ? 1 : 0;
    return count;
}

// `connection`: a client's, which goes back to the daemon; or CLOSED_FD.
static void answer_daemon(struct supervisor *supervisor, enum wire_type type, const char *id,
                          const char *text, int connection) {
    uint8_t bytes[512];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_text(&writer, TAG_ID, id);
    if (text != NULL)
        wire_put_text(&writer, TAG_TEXT, text);
    unsigned count = connection >= 0 ? 1 : 0;
    if (supervisor->control >= 0)
        (void)wire_send(supervisor->control, bytes, wire_finish(&writer, count), &connection, count);
}

static bool send_report(struct supervisor *supervisor, const struct report *report) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_SESSION_ENDED);
    wire_put_text(&writer, TAG_ID, report->id);
    wire_put_u32(&writer, TAG_KIND, report->kind);
    wire_put_u32(&writer, TAG_CODE, report->code);
    wire_put(&writer, TAG_STEPS, report->steps, sizeof report->steps);
    wire_put_text(&writer, TAG_TEXT, report->text);
    return wire_send(supervisor->control, bytes, wire_finish(&writer, 0), NULL, 0) == 0;
}

void session_report_all(struct supervisor *supervisor) {
    if (supervisor->control < 0)
        return;
    size_t sent = 0;
    while (sent < supervisor->report_count && send_report(supervisor, &supervisor->reports[sent]))
        sent++;
    supervisor->report_count -= sent;
    memmove(supervisor->reports, supervisor->reports + sent,
            sizeof supervisor->reports[0] * supervisor->report_count);
}

static void report_end(struct supervisor *supervisor, const struct session *session, const struct slot *slot,
                       uint32_t kind, uint32_t code, const char *text) {
    if (supervisor->report_count == MAX_REPORTS) // the oldest is the least wanted
        memmove(supervisor->reports, supervisor->reports + 1,
                sizeof supervisor->reports[0] * --supervisor->report_count);
    struct report *report = &supervisor->reports[supervisor->report_count++];
    *report = (struct report){
        .kind = kind,
        .code = code,
        .steps = {session->received_ns, session->sent_ns, slot->forked_ns, slot->exec_ns},
    };
    (void)snprintf(report->id, sizeof report->id, "%s", session->id);
    (void)snprintf(report->text, sizeof report->text, "%s", text);
    session_report_all(supervisor);
}

static void tell_client(struct session *session, uint32_t kind, uint32_t code, const char *text) {
    if (session->connection < 0)
        return;
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_EXIT);
    wire_put_u32(&writer, TAG_KIND, kind);
    wire_put_u32(&writer, TAG_CODE, code);
    if (text[0] != '\0')
        wire_put_text(&writer, TAG_TEXT, text);
    (void)wire_send(session->connection, bytes, wire_finish(&writer, 0), NULL, 0);
    close_fd_at(&session->connection);
}

static void release(struct supervisor *supervisor, struct session *session) {
    close_fd_at(&session->connection);
    close_fd_at(&session->pts);
    memset(&supervisor->shared->slots[session - supervisor->sessions], 0, sizeof(struct slot));
    memset(session, 0, sizeof *session);
}

// The session is over: its client and the daemon are told. `kind` 0: exit status, 1: signal.
static void conclude(struct supervisor *supervisor, struct session *session, uint32_t kind, uint32_t code) {
    struct slot *slot = &supervisor->shared->slots[session - supervisor->sessions];
    char detail[256] = "", text[320] = "";
    if (slot->err.what[0] != '\0') {
        err_text(&slot->err, detail, sizeof detail);
        if (slot->err.number == EAGAIN)
            (void)snprintf(
                text, sizeof text,
                "your sandbox has as many processes as it may; end some, or ask your administrator "
                "to stop it (session %s)",
                session->id);
        else
            (void)snprintf(text, sizeof text, "can't start your program: %s (session %s)", detail,
                           session->id);
        kind = 0;
        code = 125;
    }
    close_fd_at(&session->pts); // before the client hears of it: then the master has nothing more to wait for
    tell_client(session, kind, code, text);
    session->ended = true;
    report_end(supervisor, session, slot, kind, code, detail);
    if (session_count(supervisor) == 0)
        supervisor->linger_at_ns = supervisor->spec.linger_ms == UINT64_MAX
                                       ? NEVER
                                       : monotonic_ns() + supervisor->spec.linger_ms * 1000000u;
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

// `passed` are the descriptors as the session gets them. From MSG_STARTED on, the login counts as
// begun: a client that has not seen it may safely try again.
static void launch(struct supervisor *supervisor, struct session *session, const struct identity *identity,
                   struct wire_reader *reader, int *passed) {
    uint32_t tty = 0;
    struct err *err = &supervisor->shared->slots[session - supervisor->sessions].err;
    cleanup_fd int ptm = CLOSED_FD;
    session->pts = CLOSED_FD;
    for (unsigned index = 0; index < 3; index++) {
        if (!acceptable(passed[index])) {
            (void)err_plain(err, "descriptors 0, 1 and 2 must not be folders or disks", NULL);
            conclude(supervisor, session, 0, 125);
            return;
        }
        if (!isatty(passed[index]))
            continue;
        if (ptm < 0 && (ptm = open_pty(supervisor, identity, passed[index], &session->pts, err)) < 0) {
            conclude(supervisor, session, 0, 125);
            return;
        }
        passed[index] = session->pts;
        tty |= 1u << index;
    }
    if (ptm >= 0 && ioctl(ptm, TIOCGPTN, &session->pts_number) != 0)
        session->pts_number = -1;
    size_t length = session_request(supervisor, session, identity, reader, tty);
    if (send_started(session->connection, ptm) != 0) {
        conclude(supervisor, session, 1, SIGHUP); // the client has gone in the meantime
        return;
    }
    session->sent_ns = monotonic_ns();
    session->started = ask_spawner(supervisor, length, passed, err);
    if (!session->started)
        conclude(supervisor, session, 0, 125);
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
        conclude(supervisor, session, 0, 125);
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
        release(supervisor, session);
}

static pid_t leader_of(const struct supervisor *supervisor, const struct session *session) {
    return session->started ? supervisor->shared->slots[session - supervisor->sessions].pid : 0;
}

// The session's process may not have been forked yet, or may not lead its group yet: then it is told a
// little later.
static void hang_up(struct supervisor *supervisor, struct session *session) {
    pid_t leader = leader_of(supervisor, session);
    close_fd_at(&session->connection);
    close_fd_at(&session->pts);
    session->hung_up = leader > 1 && (kill(-leader, SIGHUP) == 0 || kill(leader, SIGHUP) == 0);
    group_signal(leader, SIGCONT); // a stopped process hears nothing until it goes on
    uint64_t wait_ms = session->hung_up ? supervisor->spec.hangup_grace_ms : RETRY_MS;
    session->kill_at_ns = monotonic_ns() + wait_ms * 1000000u;
}

// Its client dies of a hang-up, as if the line had gone, but says why before.
void session_check_time(struct supervisor *supervisor, struct session *session) {
    const char *reason = session_time_over(session, monotonic_ns());
    if (reason == NULL)
        return;
    session->ends_at_ns = session->look_at_ns = NEVER;
    tell_client(session, 1, SIGHUP, reason);
    hang_up(supervisor, session);
}

void session_message(struct supervisor *supervisor, struct session *session) {
    uint8_t bytes[64];
    int fds[WIRE_MAX_FDS];
    unsigned count;
    ssize_t length = wire_receive(session->connection, bytes, sizeof bytes, fds, &count);
    for (unsigned index = 0; length > 0 && index < count; index++)
        close_fd(fds[index]);
    struct wire_reader reader;
    if (length <= 0 || !wire_open(&reader, bytes, (size_t)length) || reader.type != MSG_SIGNAL) {
        hang_up(supervisor, session); // the client's end; or it does not speak our language
        return;
    }
    struct wire_field field;
    uint32_t number = 0;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_SIGNAL)
            (void)wire_u32(&field, &number);
    }
    if (number > 0 && number < NSIG)
        group_signal(leader_of(supervisor, session), (int)number);
}

// What a session left behind. What made itself a session of its own (setsid, as daemons do) can't be told
// apart from another session's any more: it ends with the user's last one.
static void end_background(const struct supervisor *supervisor, pid_t leader, int number) {
    if (session_count(supervisor) == 0)
        sandbox_signal(&supervisor->cgroups, supervisor->init_pid, number);
    else
        session_signal(&supervisor->cgroups, leader, number);
}

// The leader's zombie is kept until nothing more has to be signalled: while it is there, neither its
// pid nor the numbers of its group and session can belong to anybody else.
bool session_exited(struct supervisor *supervisor, pid_t pid, int wait_code, int wait_status) {
    struct session *session = NULL;
    for (size_t index = 0; index < MAX_SESSIONS && session == NULL; index++) {
        if (supervisor->sessions[index].used && leader_of(supervisor, &supervisor->sessions[index]) == pid)
            session = &supervisor->sessions[index];
    }
    if (session == NULL)
        return true;
    if (!session->ended)
        conclude(supervisor, session, wait_code == CLD_EXITED ? 0 : 1, (uint32_t)wait_status);
    if (supervisor->spec.kill_background && session->kill_at_ns == NEVER) {
        end_background(supervisor, pid, SIGHUP);
        session->kill_at_ns = monotonic_ns() + supervisor->spec.hangup_grace_ms * 1000000u;
    }
    if (session->kill_at_ns != NEVER && supervisor->state == STATE_RUNNING)
        return false;
    release(supervisor, session);
    return true;
}

void session_deadline(struct supervisor *supervisor, struct session *session) {
    pid_t leader = leader_of(supervisor, session);
    if (!session->ended && !session->hung_up) {
        hang_up(supervisor, session);
        return;
    }
    session->kill_at_ns = NEVER;
    if (supervisor->spec.kill_background)
        end_background(supervisor, leader, SIGKILL);
    group_signal(leader, SIGKILL);
    if (!session->ended) { // not forked yet, not a group's leader yet, or about to be seen to exit
        if (leader > 1)
            (void)kill(leader, SIGKILL); // our own child, not reaped: the number is its
        session->kill_at_ns = monotonic_ns() + RETRY_MS * 1000000u;
        return;
    }
    siginfo_t info;
    (void)waitid(P_PID, (id_t)leader, &info, WEXITED | WNOHANG);
    release(supervisor, session);
}

// The spawner has said that it could not fork for a session.
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
        conclude(supervisor, session, 0, 125);
        release(supervisor, session);
    }
}
