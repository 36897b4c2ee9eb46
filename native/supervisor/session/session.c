// Sessions: what a login becomes once the daemon has handed it over (begin.c). The login client's
// connection ends here, so that a daemon that is stopped, upgraded or killed takes no session with it.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup/group.h"
#include "cleanup.h"
#include "client.h"
#include "closing.h"
#include "connection/connection.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "session/notice.h"
#include "session/session.h"
#include "session/time.h"
#include "work/work.h"

#define RETRY_MS 20u

// Who only looks at another one needs no place.
static bool is_one(const struct session *session) {
    return session->used && !session->ended && session->target[0] == '\0';
}

size_t session_count(const struct supervisor *supervisor) {
    size_t count = 0;
    for (size_t index = 0; index < supervisor->reached; index++)
        count += is_one(&supervisor->sessions[index]) ? 1 : 0;
    return count;
}

void supervisor_linger(struct supervisor *supervisor) {
    if (supervisor->state != STATE_RUNNING || session_count(supervisor) + connection_count() > 0)
        return;
    uint64_t stay_ms = supervisor->spec.linger_ms;
    supervisor->linger_at_ns = stay_ms == UINT64_MAX ? NEVER : monotonic_ns() + stay_ms * 1000000u;
}

static bool send_report(struct supervisor *supervisor, const struct report *report) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_SESSION_ENDED);
    wire_put_text(&writer, TAG_ID, report->id);
    wire_put_u32(&writer, TAG_KIND, report->kind);
    wire_put_u32(&writer, TAG_CODE, report->code);
    wire_put(&writer, TAG_STEPS, report->steps, sizeof report->steps);
    wire_put(&writer, TAG_USED, report->used, report->used_count * sizeof report->used[0]);
    wire_put_u32(&writer, TAG_FAILURE, (uint32_t)report->failure);
    wire_put_u32(&writer, TAG_CAUSE, (uint32_t)report->cause);
    wire_put_text(&writer, TAG_TEXT, report->text);
    if (report->last)
        tell_work(&writer, &report->work);
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

void session_report_end(struct supervisor *supervisor, const struct session *session, uint32_t kind,
                        uint32_t code, enum cause cause, const char *text) {
    const struct slot *slot = &supervisor->shared->slots[session - supervisor->sessions];
    if (supervisor->report_count == MAX_REPORTS) // the oldest is the least wanted
        memmove(supervisor->reports, supervisor->reports + 1,
                sizeof supervisor->reports[0] * --supervisor->report_count);
    struct report *report = &supervisor->reports[supervisor->report_count++];
    *report = (struct report){
        .kind = kind,
        .code = code,
        .failure = slot->err.code,
        .cause = cause,
        .steps = {session->received_ns, session->sent_ns, slot->forked_ns, slot->exec_ns},
        .used = {session->cpu_us, session->peak_bytes},
        .used_count = 2,
    };
    // Where it has ended, it has not been waited for.
    if (slot->pid > 0 && session->peak_bytes > 0 &&
        process_moved(slot->pid, &report->used[2], &report->used[3]))
        report->used_count = 4;
    (void)snprintf(report->id, sizeof report->id, "%s", session->id);
    (void)snprintf(report->text, sizeof report->text, "%s", text);
    report->last = session_count(supervisor) == 0 && supervisor->state == STATE_RUNNING;
    if (report->last)
        work_find(supervisor, session, &report->work);
    session_report_all(supervisor);
}

void session_release(struct supervisor *supervisor, struct session *session) {
    closing_end(&session->connection, supervisor->spec.uid);
    close_fd_at(&session->pts);
    kept_end(session);
    memset(&supervisor->shared->slots[session - supervisor->sessions], 0, sizeof(struct slot));
    memset(session, 0, sizeof *session);
}

// The sandbox's books name it no more. A spawner that takes nothing just now is not waited for: its sandbox
// stands still, or is out of everything. The next session's end takes it out then.
static void leave_books(struct supervisor *supervisor, const struct session *session) {
    uint32_t number = (uint32_t)(session - supervisor->sessions);
    pid_t pid = supervisor->shared->slots[number].noted;
    uint8_t bytes[128];
    struct wire_writer writer;
    struct pollfd polled = {.fd = supervisor->spawner, .events = POLLOUT};
    if (pid <= 0 || supervisor->state != STATE_RUNNING || poll(&polled, 1, 0) <= 0)
        return;
    wire_start(&writer, bytes, sizeof bytes, MSG_SESSION_LEFT);
    wire_put_u32(&writer, TAG_SLOT, number);
    wire_put_u32(&writer, TAG_PID, (uint32_t)pid);
    wire_put_u32(&writer, TAG_UID, supervisor->spec.uid);
    wire_put_u32(&writer, TAG_GID, supervisor->spec.gid);
    (void)wire_send(supervisor->spawner, bytes, wire_finish(&writer, 0), NULL, 0);
}

void session_conclude(struct supervisor *supervisor, struct session *session, uint32_t kind, uint32_t code) {
    const struct slot *slot = &supervisor->shared->slots[session - supervisor->sessions];
    char detail[256] = "", text[400] = "";
    const char *words = text;
    enum cause cause = CAUSE_NOT_STARTED;
    if (slot->err.code != FAILURE_NONE) {
        err_text(&slot->err, detail, sizeof detail);
        notice_of_failure(session, slot->err.code, detail, text, sizeof text);
        kind = 0;
        code = 125;
    } else {
        cause = notice_cause(supervisor, session, kind, code);
        words = notice_of_end(supervisor, session, cause);
        if (words[0] == '\0')
            words = work_at_log_out(supervisor, session, text, sizeof text);
    }
    close_fd_at(&session->pts); // before the client hears of it: then the master has nothing more to wait for
    kept_dismiss(supervisor, session, kind, code, cause, words);
    notice_exit(session, kind, code, words);
    closing_end(&session->connection, supervisor->spec.uid);
    session->ended = true;
    kept_end(session);
    leave_books(supervisor, session);
    session_report_end(supervisor, session, kind, code, cause, detail);
    supervisor_linger(supervisor);
}

static pid_t leader_of(const struct supervisor *supervisor, const struct session *session) {
    return session->started ? supervisor->shared->slots[session - supervisor->sessions].pid : 0;
}

// Whom the end of a connection is for. A terminal's hang-up reaches the group, as it does anywhere. Without
// one nobody but the leader hears of it where the background is kept: sshd alone would tell nobody, and an
// editor's server has been started in this group, by a program that undoes nohup(1) (Node does).
static bool signal_ended(const struct supervisor *supervisor, const struct session *session, int number) {
    pid_t leader = leader_of(supervisor, session);
    if (leader <= 1)
        return false;
    bool group = supervisor->spec.kill_background || session->pts_number >= 0;
    return (group && kill(-leader, number) == 0) || kill(leader, number) == 0;
}

// The session's process may not have been forked yet, or may not lead its group yet: then it is told a
// little later.
static void hang_up(struct supervisor *supervisor, struct session *session) {
    if (session->cause == CAUSE_NONE && supervisor->state == STATE_RUNNING)
        session->cause = CAUSE_HUNG_UP;
    closing_end(&session->connection, supervisor->spec.uid);
    close_fd_at(&session->pts);
    kept_end(session); // who still looks is shown the rest
    session->hung_up = signal_ended(supervisor, session, SIGHUP);
    (void)signal_ended(supervisor, session, SIGCONT); // a stopped process hears nothing until it goes on
    uint64_t wait_ms = session->hung_up ? supervisor->spec.hangup_grace_ms : RETRY_MS;
    session->kill_at_ns = monotonic_ns() + wait_ms * 1000000u;
}

// The client says why, and then dies of a hang-up as if the connection had been lost.
void session_check_time(struct supervisor *supervisor, struct session *session) {
    const char *reason = session_time_over(session, monotonic_ns());
    if (reason == NULL)
        return;
    session->cause = session->ends_at_ns <= monotonic_ns() ? CAUSE_SESSION_TIME : CAUSE_IDLE_TIME;
    session->ends_at_ns = session->look_at_ns = NEVER;
    kept_dismiss(supervisor, session, 1, SIGHUP, session->cause, reason);
    notice_exit(session, 1, SIGHUP, reason);
    hang_up(supervisor, session);
}

void session_end_kept(struct supervisor *supervisor, struct session *session, enum cause cause) {
    session->cause = cause;
    session->ends_at_ns = session->look_at_ns = NEVER;
    hang_up(supervisor, session);
}

// The client has gone, or says what it may not.
static void connection_ended(struct supervisor *supervisor, struct session *session) {
    if (session->seen != NULL)
        kept_look_end(supervisor, session, 1, SIGHUP, CAUSE_DETACHED, "");
    else if (!kept_leave(supervisor, session))
        hang_up(supervisor, session);
}

void session_message(struct supervisor *supervisor, struct session *session) {
    enum client_next next = session->taken ? client_next(session->connection) : CLIENT_END;
    if (next == CLIENT_NOTHING)
        return;
    if (next != CLIENT_PLAIN) { // its end; or it sends descriptors, which are nobody's to receive here
        connection_ended(supervisor, session);
        return;
    }
    uint8_t bytes[64];
    ssize_t length = recv(session->connection, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    struct wire_reader reader;
    if (length <= 0 || (size_t)length > sizeof bytes || !wire_open(&reader, bytes, (size_t)length) ||
        reader.type != MSG_SIGNAL) {
        connection_ended(supervisor, session); // it does not speak our language
        return;
    }
    struct wire_field field;
    uint32_t number = 0;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_SIGNAL)
            (void)wire_u32(&field, &number);
    }
    const struct session *heard = kept_signalled(session);
    if (number > 0 && number < NSIG && heard != NULL)
        group_signal(leader_of(supervisor, heard), (int)number);
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
    for (size_t index = 0; index < supervisor->reached && session == NULL; index++) {
        if (supervisor->sessions[index].used && leader_of(supervisor, &supervisor->sessions[index]) == pid)
            session = &supervisor->sessions[index];
    }
    if (session == NULL)
        return true;
    if (session->target[0] != '\0' &&
        supervisor->shared->slots[session - supervisor->sessions].exec_ns == 0) {
        kept_look_exited(supervisor, session, wait_code == CLD_EXITED ? wait_status : -1);
        return true;
    }
    if (!session->ended)
        session_conclude(supervisor, session, wait_code == CLD_EXITED ? 0 : 1, (uint32_t)wait_status);
    if (supervisor->spec.kill_background && session->kill_at_ns == NEVER) {
        end_background(supervisor, pid, SIGHUP);
        session->kill_at_ns = monotonic_ns() + supervisor->spec.hangup_grace_ms * 1000000u;
    }
    // Where the background is kept, so is what the hang-up has left of the leader's group (nohup).
    if (supervisor->spec.kill_background && session->kill_at_ns != NEVER &&
        supervisor->state == STATE_RUNNING)
        return false;
    session_release(supervisor, session);
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
    (void)signal_ended(supervisor, session, SIGKILL);
    if (!session->ended) { // not forked yet, not a group's leader yet, or about to be seen to exit
        if (leader > 1)
            (void)kill(leader, SIGKILL); // our own child, not reaped: the number is its
        // A process that hangs in the kernel ignores the signal, so it is sent less and less often.
        unsigned doubled = session->kills < 6 ? session->kills++ : 6;
        session->kill_at_ns = monotonic_ns() + ((uint64_t)RETRY_MS << doubled) * 1000000u;
        return;
    }
    siginfo_t info;
    (void)waitid(P_PID, (id_t)leader, &info, WEXITED | WNOHANG);
    session_release(supervisor, session);
}
