// The connection with the daemon: what it asks for, and what it is told. It may end at any time, and another
// daemon's may take its place.
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "asked/asked.h"
#include "cleanup.h"
#include "connection/connection.h"
#include "control/networking.h"
#include "control/pause.h"
#include "control/tell.h"
#include "figures/figures.h"
#include "kept/kept.h"
#include "rootfs/host_folders.h"
#include "session/notice.h"
#include "sys.h"

static uint8_t message[WIRE_MAX_BYTES];

// With handles of PID 1 and of ourselves: by these the daemon can end the sandbox whatever has become of us.
static void send_with_handles(const struct supervisor *supervisor, struct wire_writer *writer) {
    cleanup_fd int own = sys_pidfd_open(getpid());
    const int handles[] = {supervisor->init_pidfd, own};
    if (own < 0)
        (void)tell_daemon(supervisor, writer, CLOSED_FD);
    else if (supervisor->control >= 0)
        (void)wire_send(supervisor->control, writer->bytes, wire_finish(writer, 2), handles, 2);
}

static void send_ready(struct supervisor *supervisor) {
    uint8_t bytes[512];
    struct wire_writer writer;
    uint64_t steps[STEP_COUNT + 1];
    steps[0] = supervisor->received_ns;
    memcpy(steps + 1, supervisor->shared->steps_ns, sizeof supervisor->shared->steps_ns);
    wire_start(&writer, bytes, sizeof bytes, MSG_READY);
    wire_put_u32(&writer, TAG_PID, (uint32_t)supervisor->init_pid);
    wire_put(&writer, TAG_STEPS, steps, sizeof steps);
    send_with_handles(supervisor, &writer);
}

static void send_state(struct supervisor *supervisor) {
    struct wire_writer writer;
    wire_start(&writer, message, sizeof message, MSG_STATE);
    wire_put_text(&writer, TAG_STATE, supervisor->state == STATE_RUNNING ? "running" : "stopping");
    wire_put_u32(&writer, TAG_PID, (uint32_t)supervisor->init_pid);
    if (supervisor->linger_at_ns != NEVER) {
        uint64_t now = monotonic_ns();
        wire_put_u64(&writer, TAG_LINGER_MS,
                     supervisor->linger_at_ns > now ? (supervisor->linger_at_ns - now) / 1000000u : 0);
    }
    for (size_t index = 0; index < supervisor->reached; index++) {
        const struct session *session = &supervisor->sessions[index];
        char line[ID_BYTES + NOTE_BYTES + 48];
        if (!session->used || session->ended)
            continue;
        int length =
            snprintf(line, sizeof line, "%s%c%d%c%d%c%s", session->id, 0,
                     (int)supervisor->shared->slots[index].pid, 0, session->pts_number, 0, session->note);
        wire_put(&writer, TAG_SESSION, line, (size_t)length);
    }
    connection_state(&writer);
    kept_state(supervisor, &writer);
    send_with_handles(supervisor, &writer);
    session_report_all(supervisor);
}

static void text_in(struct wire_reader *reader, char *text, size_t size) {
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_TEXT)
            (void)snprintf(text, size, "%.*s", (int)field.length, (const char *)field.value);
    }
}

static int listen_for_daemons(struct supervisor *supervisor, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(supervisor->spec.control_path) >= sizeof address.sun_path)
        return err_plain(err, FAILURE_PROTOCOL, "the control socket's path is too long",
                         supervisor->spec.control_path);
    (void)strcpy(address.sun_path, supervisor->spec.control_path);
    (void)unlink(address.sun_path); // the folder is root's, and the daemon starts one of us at a time
    supervisor->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (supervisor->listener < 0 ||
        bind(supervisor->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(supervisor->listener, 4) != 0)
        return err_disk(err, FAILURE_SYSTEM, "listen on the control socket", NULL);
    return 0;
}

// The sessions that were sent right behind a specification that came to nothing: their clients go back
// to the daemon, which knows what to tell them.
static void refuse_waiting(struct supervisor *supervisor) {
    int fds[WIRE_MAX_FDS];
    unsigned count;
    struct wire_reader reader;
    ssize_t length;
    supervisor->state = STATE_STOPPING;
    while ((length = wire_receive(supervisor->control, message, sizeof message, fds, &count)) > 0) {
        if (wire_open(&reader, message, (size_t)length) && reader.type == MSG_SESSION)
            session_start(supervisor, &reader, fds, count);
        else if (wire_open(&reader, message, (size_t)length) && reader.type == MSG_CONNECTION)
            connection_start(supervisor, &reader, fds, count);
        for (unsigned index = 0; index < count; index++)
            close_fd(fds[index]);
    }
}

static void start_sandbox(struct supervisor *supervisor, struct wire_reader *reader, size_t length, int *fds,
                          unsigned count) {
    struct err err = {0};
    if (supervisor->state != STATE_IDLE)
        return;
    if (build_sandbox(supervisor, reader, &(struct received){message, length, fds, count}, &err) != 0 ||
        listen_for_daemons(supervisor, &err) != 0) {
        tell_failed(supervisor, &err);
        refuse_waiting(supervisor);
        supervisor_leave(supervisor);
    }
    supervisor->state = STATE_RUNNING;
    // The first session is on its way; if it never comes, the sandbox must not stay for ever.
    supervisor->linger_at_ns = monotonic_ns() + 10u * 1000000000u;
    send_ready(supervisor);
    if (publish_some_are_missing(&supervisor->network.publisher))
        networking_tell_missing(supervisor);
}

static void host_has_changed(struct supervisor *supervisor, struct wire_reader *reader) {
    if (reader->type == MSG_FIGURES)
        figures_are(&supervisor->spec, supervisor->init_pidfd, reader);
    else if (supervisor->state == STATE_RUNNING)
        host_folders_renew(&supervisor->spec, supervisor->init_pidfd);
}

void control_message(struct supervisor *supervisor) {
    char text[WHY_BYTES] = "";
    int fds[WIRE_MAX_FDS];
    unsigned count;
    struct wire_reader reader;
    ssize_t length = wire_receive(supervisor->control, message, sizeof message, fds, &count);
    if (length < 0 && (errno == EAGAIN || errno == EBADMSG))
        return;
    if (length <= 0) {
        close_fd_at(&supervisor->control);
        asked_lost(supervisor);
        pause_end(supervisor);
        if (supervisor->state == STATE_IDLE)
            supervisor_leave(supervisor); // the daemon has gone before it had a use for us
        return;
    }
    if (wire_open(&reader, message, (size_t)length)) {
        switch (reader.type) {
        case MSG_SANDBOX:
            start_sandbox(supervisor, &reader, (size_t)length, fds, count);
            break;
        case MSG_SESSION:
            session_start(supervisor, &reader, fds, count);
            break;
        case MSG_CONNECTION:
            connection_start(supervisor, &reader, fds, count);
            break;
        case MSG_STOP:
            text_in(&reader, text, sizeof text);
            supervisor_stop(supervisor, CAUSE_STOPPED, text);
            break;
        case MSG_SAY:
            text_in(&reader, text, sizeof text);
            notice_say(supervisor, text);
            break;
        case MSG_KEEP:
        case MSG_DETACH:
        case MSG_TOUCH:
            kept_message(supervisor, &reader);
            break;
        case MSG_DISCONNECT:
            connection_disconnect(&reader);
            break;
        case MSG_PAUSE:
            pause_request(supervisor, &reader);
            break;
        case MSG_RENEW:
        case MSG_FIGURES:
            host_has_changed(supervisor, &reader);
            break;
        case MSG_NETWORK:
            networking_change(supervisor, &reader);
            break;
        case MSG_COUNT_TRAFFIC:
            networking_count(supervisor, &reader);
            break;
        case MSG_ANSWER:
            asked_answer(supervisor, &reader);
            break;
        case MSG_HELLO:
            send_state(supervisor);
            break;
        default:
            break;
        }
    }
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
}

void control_accept(struct supervisor *supervisor) {
    int fd = accept4(supervisor->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    close_fd_at(&supervisor->control);
    asked_lost(supervisor);
    pause_end(supervisor);
    supervisor->control = fd;
}
