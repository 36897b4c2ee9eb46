#include "connection/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/group.h"
#include "cleanup.h"
#include "client.h"
#include "connection/join.h"
#include "connection/view.h"
#include "control/forwards.h"
#include "session/notice.h"

// For sshd to pass on how sessions ended, and then for it to end.
#define HEAR_NS 1000000000u
#define END_NS 2000000000u

struct connection {
    bool used;
    bool joined;
    int socket;  // to the module, in sshd's monitor
    int witness; // a pipe whose other end the monitor and its child have: the child may outlive it
    struct view *view;
    char id[ID_BYTES];
    char note[NOTE_BYTES]; // the daemon's own, for a later daemon; never read here
};

static struct connection connections[MAX_CONNECTIONS];
static int watched = CLOSED_FD; // epoll: of everything here; made with the first connection

int connection_poll(void) {
    return watched;
}

// Where there has never been one, no page of the lists is touched.
size_t connection_count(void) {
    size_t count = 0;
    if (watched < 0)
        return 0;
    for (size_t index = 0; index < MAX_CONNECTIONS; index++)
        count += connections[index].used ? 1 : 0;
    return count;
}

void connection_state(struct wire_writer *writer) {
    for (size_t index = 0; index < MAX_CONNECTIONS; index++) {
        const struct connection *connection = &connections[index];
        char line[ID_BYTES + NOTE_BYTES + 8];
        if (!connection->used)
            continue;
        int length = snprintf(line, sizeof line, "%s%c%s", connection->id, 0, connection->note);
        wire_put(writer, TAG_CONNECTION_OPEN, line, (size_t)length);
    }
}

// Ends are reported whatever is asked for. What sshd's child could write to is not read: it is the user's.
static int watch(int fd, uint32_t events) {
    struct epoll_event event = {.events = events};
    if (watched < 0)
        watched = epoll_create1(EPOLL_CLOEXEC);
    return watched < 0 ? -1 : epoll_ctl(watched, EPOLL_CTL_ADD, fd, &event);
}

// ---- the end of one -------------------------------------------------------------------------------------

static void release(struct supervisor *supervisor, struct connection *connection, const struct err *err) {
    close_fd_at(&connection->socket);
    close_fd_at(&connection->witness);
    view_release(connection->view);
    (void)join_answer(supervisor, MSG_CONNECTION_ENDED, connection->id, err, CLOSED_FD);
    *connection = (struct connection){0};
    supervisor_linger(supervisor);
}

static void refuse(struct supervisor *supervisor, struct connection *connection, const struct err *err) {
    uint8_t bytes[256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_ERROR);
    wire_put_text(&writer, TAG_TEXT, "Your connection can't be joined to your sandbox.");
    wire_put_u32(&writer, TAG_CODE, 125);
    client_tell(connection->socket, bytes, wire_finish(&writer, 0));
    release(supervisor, connection, err);
}

// Its other end is nobody's any more.
static bool has_gone(int fd) {
    struct pollfd polled = {.fd = fd, .events = 0};
    return poll(&polled, 1, 0) > 0;
}

// ---- the beginning of one -------------------------------------------------------------------------------

static bool join(struct connection *connection) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    cleanup_fd int theirs = ends[1];
    connection->witness = ends[0];
    const int *namespaces = connection->view->namespaces;
    const int fds[] = {namespaces[0], namespaces[1], namespaces[2], theirs};
    wire_start(&writer, bytes, sizeof bytes, MSG_JOINED);
    if (watch(connection->witness, 0) != 0 ||
        wire_send(connection->socket, bytes, wire_finish(&writer, 4), fds, 4) != 0)
        return false;
    connection->joined = true;
    return true;
}

// Whoever waits for a view that is decided now goes on.
static void go_on(struct supervisor *supervisor, struct view *view) {
    struct err err = {0};
    if (!view_hear(view, &err))
        return;
    for (size_t index = 0; index < MAX_CONNECTIONS; index++) {
        struct connection *connection = &connections[index];
        if (!connection->used || connection->joined || connection->view != view)
            continue;
        struct err failed = err;
        if (failed.code == FAILURE_NONE && !join(connection))
            (void)err_sys(&failed, "pass on the view", NULL);
        if (failed.code != FAILURE_NONE)
            refuse(supervisor, connection, &failed);
    }
}

static struct connection *free_connection(void) {
    for (size_t index = 0; index < MAX_CONNECTIONS; index++)
        if (!connections[index].used)
            return &connections[index];
    return NULL;
}

static enum failure refusal_of(const struct supervisor *supervisor, uint32_t most) {
    size_t count = connection_count();
    if (supervisor->state != STATE_RUNNING || process_ends(supervisor->init_pid))
        return FAILURE_STOPPING;
    if (count >= MAX_CONNECTIONS)
        return FAILURE_PLACES;
    return count >= most ? FAILURE_SESSIONS : FAILURE_NONE;
}

static void begin(struct supervisor *supervisor, struct connection *connection, int monitor,
                  struct parts *parts) {
    struct err err = {0};
    struct view *view =
        watch(connection->socket, EPOLLIN) != 0 ? NULL : view_get(supervisor, monitor, parts, &err);
    connection->view = view;
    bool is_new = view != NULL && view->namespaces[0] < 0 && view->connections == 1;
    if (view == NULL || (is_new && watch(view->answer, EPOLLIN) != 0)) {
        if (err.code == FAILURE_NONE)
            (void)err_sys(&err, "watch a connection", NULL);
        refuse(supervisor, connection, &err);
        return;
    }
    go_on(supervisor, view);
}

void connection_start(struct supervisor *supervisor, struct wire_reader *reader, int *fds, unsigned count) {
    struct connection one = {.used = true, .socket = CLOSED_FD, .witness = CLOSED_FD};
    struct parts parts = {0};
    struct err err = {0};
    struct wire_reader probe = *reader;
    struct wire_field field;
    uint32_t most = MAX_CONNECTIONS;
    while (wire_next(&probe, &field)) {
        if (field.tag == TAG_ID && field.length < sizeof one.id)
            memcpy(one.id, field.value, field.length);
        if (field.tag == TAG_TEXT && field.length < sizeof one.note)
            memcpy(one.note, field.value, field.length);
        if (field.tag == TAG_MOST_SESSIONS)
            (void)wire_u32(&field, &most);
    }
    // Before JOIN is received: who is refused for now is given to another supervisor, which receives it.
    cleanup_fd int monitor = CLOSED_FD;
    if (count != 1 || one.id[0] == '\0' || parts_read(&parts, *reader) != 0)
        (void)err_plain(&err, FAILURE_PROTOCOL, "a connection is not understood", NULL);
    else if ((err.code = refusal_of(supervisor, most)) == FAILURE_NONE)
        monitor = join_receive(fds[0], &err);
    struct connection *place = free_connection();
    if (err.code != FAILURE_NONE || place == NULL) {
        (void)join_answer(supervisor, MSG_REFUSED, one.id, &err, count == 1 ? fds[0] : CLOSED_FD);
        parts_free(&parts);
        return;
    }
    *place = one;
    place->socket = take_fd(&fds[0]);
    supervisor->linger_at_ns = NEVER;
    (void)join_answer(supervisor, MSG_ACCEPTED, one.id, &err, CLOSED_FD);
    begin(supervisor, place, monitor, &parts);
    parts_free(&parts);
}

// ---- while they are there -------------------------------------------------------------------------------

void connection_hear(struct supervisor *supervisor) {
    const struct err none = {0};
    for (size_t index = 0; index < MAX_VIEWS; index++) {
        struct view *view = view_at(index);
        if (view != NULL && view->answer >= 0)
            go_on(supervisor, view);
    }
    for (size_t index = 0; index < MAX_CONNECTIONS; index++) {
        struct connection *connection = &connections[index];
        if (!connection->used)
            continue;
        forwards_heard(supervisor, connection->id, &connection->socket);
        if (connection->socket >= 0 && has_gone(connection->socket))
            close_fd_at(&connection->socket);
        if (connection->witness >= 0 && has_gone(connection->witness))
            close_fd_at(&connection->witness);
        if (connection->socket < 0 && connection->witness < 0)
            release(supervisor, connection, &none);
    }
}

uint64_t connection_next(void) {
    uint64_t next = NEVER;
    if (watched < 0)
        return NEVER;
    for (size_t index = 0; index < MAX_VIEWS; index++) {
        const struct view *view = view_at(index);
        if (view != NULL && view->answer >= 0 && view->give_up_at_ns < next)
            next = view->give_up_at_ns;
    }
    return next;
}

void connection_due(struct supervisor *supervisor, uint64_t now) {
    if (connection_next() <= now)
        connection_hear(supervisor);
}

// The kernel tells the monitor (native/pam) of the socket that is shut down for what we would say, and its
// child of the pipe that is closed. The socket's other direction stays, to see that it has gone.
static void end(struct connection *connection) {
    close_fd_at(&connection->witness);
    if (connection->joined && connection->socket >= 0)
        (void)shutdown(connection->socket, SHUT_WR);
    else
        close_fd_at(&connection->socket);
}

void connection_disconnect(const struct wire_reader *reader) {
    struct wire_reader fields = *reader;
    struct wire_field field;
    if (!wire_next(&fields, &field) || field.tag != TAG_ID)
        return;
    for (size_t index = 0; index < MAX_CONNECTIONS; index++) {
        const char *id = connections[index].id; // an empty one in the message means all
        if (connections[index].joined && strncmp(id, (const char *)field.value, field.length) == 0)
            end(&connections[index]);
    }
}

// ---- the end of all -------------------------------------------------------------------------------------

// Until all monitors have gone, or it is time.
static void wait_until(uint64_t deadline) {
    for (;;) {
        struct pollfd polled[MAX_CONNECTIONS];
        nfds_t count = 0;
        for (size_t index = 0; index < MAX_CONNECTIONS; index++) {
            struct connection *connection = &connections[index];
            if (connection->socket >= 0 && connection->used && has_gone(connection->socket))
                close_fd_at(&connection->socket);
            if (connection->socket >= 0 && connection->used)
                polled[count++] = (struct pollfd){.fd = connection->socket};
        }
        if (count == 0 || monotonic_ns() >= deadline)
            return;
        (void)poll(polled, count, milliseconds_until(deadline));
    }
}

void connection_end_all(const struct supervisor *supervisor) {
    view_detach_all(supervisor);
    if (connection_count() == 0)
        return;
    wait_until(notice_told_ns() + HEAR_NS);
    for (size_t index = 0; index < MAX_CONNECTIONS; index++)
        if (connections[index].used)
            end(&connections[index]);
    wait_until(monotonic_ns() + END_NS);
    if (supervisor->spec.network == NET_PRIVATE)
        network_remove(&supervisor->spec.plan);
    for (size_t index = 0; index < MAX_CONNECTIONS; index++)
        if (connections[index].used)
            close_fd_at(&connections[index].socket);
}
