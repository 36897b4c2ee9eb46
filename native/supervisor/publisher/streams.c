// Passes TCP connections on, without copying what they carry: each direction goes through a pipe (splice(2)),
// which is as much as one side may be ahead of the other. When one side stops sending, only that is passed
// on: the other direction stays open.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "publisher/publisher.h"

#define AT_ONCE (64 * 1024)
// Of one connection, then it is the others' turn.
#define ROUNDS_A_TURN 8
#define ACCEPTED_A_TURN 16
#define REST (100 * MILLISECONDS)

struct half {
    int pipe[2];
    size_t held; // in the pipe
    bool ended;  // nothing more comes
    bool closed; // and that has been passed on
};

struct stream {
    struct watch outside, inside;
    struct half in, out; // into the sandbox, and out of it
    struct timer again;
    const struct port *port;
    bool connected, six;
    struct stream *next, **place;
};

static struct stream *streams;
static unsigned count;
static struct {
    struct timer timer;
    bool set;
} rest;
static struct port *resting[PUBLISHED_MOST];
static unsigned resting_count;

static void abort_at(int fd) {
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// Both sides see a reset where one of them has not come to its end.
static void end(struct stream *stream) {
    if (!stream->in.closed || !stream->out.closed) {
        abort_at(stream->outside.fd);
        abort_at(stream->inside.fd);
    }
    loop_close(&stream->outside);
    loop_close(&stream->inside);
    timer_clear(&stream->again);
    for (int side = 0; side < 2; side++) {
        close_fd_at(&stream->in.pipe[side]);
        close_fd_at(&stream->out.pipe[side]);
    }
    *stream->place = stream->next;
    if (stream->next != NULL)
        stream->next->place = stream->place;
    count--;
    loop_free_later(stream);
}

void streams_end(const struct port *port) {
    struct stream *next;
    for (struct stream *stream = streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->port == port)
            end(stream);
    }
    for (unsigned index = 0; index < resting_count; index++) {
        if (resting[index] == port)
            resting[index--] = resting[--resting_count];
    }
}

// ---- passing on ----------------------------------------------------------------------------------------

enum moved { MOVED_BROKEN = -1, MOVED_NOTHING, MOVED_SOMETHING };

static enum moved move(struct half *half, int from, int to) {
    enum moved moved = MOVED_NOTHING;
    ssize_t got;
    if (!half->ended) {
        got = splice(from, NULL, half->pipe[1], NULL, AT_ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return MOVED_BROKEN;
        half->ended = got == 0;
        half->held += got > 0 ? (size_t)got : 0;
        moved = got >= 0 ? MOVED_SOMETHING : MOVED_NOTHING;
    }
    if (half->held > 0) {
        got = splice(half->pipe[0], NULL, to, NULL, half->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return MOVED_BROKEN;
        half->held -= got > 0 ? (size_t)got : 0;
        moved = got > 0 ? MOVED_SOMETHING : moved;
    }
    if (half->ended && half->held == 0 && !half->closed) {
        half->closed = true;
        (void)shutdown(to, SHUT_WR);
    }
    return moved;
}

// Both sides tell of changes alone (EPOLLET): everything is moved until nothing can be.
static void pass(struct stream *stream) {
    for (int round = 0; round < ROUNDS_A_TURN; round++) {
        enum moved in = move(&stream->in, stream->outside.fd, stream->inside.fd);
        enum moved out = move(&stream->out, stream->inside.fd, stream->outside.fd);
        if (in == MOVED_BROKEN || out == MOVED_BROKEN || (stream->in.closed && stream->out.closed)) {
            end(stream);
            return;
        }
        if (in == MOVED_NOTHING && out == MOVED_NOTHING)
            return;
    }
    if (!timer_set(&stream->again, loop_now()))
        end(stream);
}

static void go_on(struct timer *timer) {
    pass(OWNER(timer, struct stream, again));
}

static void outside_ready(struct watch *watch, uint32_t events) {
    struct stream *stream = OWNER(watch, struct stream, outside);
    if ((events & EPOLLERR) != 0)
        end(stream);
    else if (stream->connected)
        pass(stream);
}

// ---- connecting ----------------------------------------------------------------------------------------

static void inside_ready(struct watch *watch, uint32_t events);

static bool connect_inside(struct stream *stream) {
    int on = 1, fd = inside_connect(SOCK_STREAM, stream->six, stream->port->inside);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    stream->inside.ready = inside_ready;
    return loop_add(&stream->inside, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void inside_ready(struct watch *watch, uint32_t events) {
    struct stream *stream = OWNER(watch, struct stream, inside);
    if ((events & EPOLLERR) != 0 && !stream->connected && !stream->six) {
        loop_close(watch);
        stream->six = true;
        if (!connect_inside(stream))
            end(stream);
    } else if ((events & EPOLLERR) != 0) {
        end(stream);
    } else if ((events & EPOLLOUT) != 0 || stream->connected) {
        stream->connected = true;
        pass(stream);
    }
}

static bool open_pipes(struct stream *stream) {
    return pipe2(stream->in.pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
           pipe2(stream->out.pipe, O_CLOEXEC | O_NONBLOCK) == 0;
}

static void begin(const struct port *port, int fd) {
    int on = 1;
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close_fd(fd);
        return;
    }
    *stream = (struct stream){.port = port,
                              .inside.fd = CLOSED_FD,
                              .outside.ready = outside_ready,
                              .again.due = go_on,
                              .in.pipe = {CLOSED_FD, CLOSED_FD},
                              .out.pipe = {CLOSED_FD, CLOSED_FD},
                              .next = streams,
                              .place = &streams};
    if (stream->next != NULL)
        stream->next->place = &stream->next;
    streams = stream;
    count++;
    // Whoever has gone without a word is noticed some time.
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!loop_add(&stream->outside, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) || !open_pipes(stream) ||
        !connect_inside(stream))
        end(stream);
}

// ---- the port ------------------------------------------------------------------------------------------

static void listen_again(struct timer *timer) {
    (void)timer;
    rest.set = false;
    while (resting_count > 0)
        loop_change(&resting[--resting_count]->watch, EPOLLIN);
}

// Too many, or out of descriptors: who comes now waits in the queue.
static void rest_a_while(struct port *port) {
    rest.timer.due = listen_again;
    if (!rest.set && !timer_set(&rest.timer, loop_now() + REST))
        return;
    rest.set = true;
    loop_change(&port->watch, 0);
    if (resting_count < PUBLISHED_MOST)
        resting[resting_count++] = port;
}

void streams_ready(struct watch *listener, uint32_t events) {
    struct port *port = OWNER(listener, struct port, watch);
    (void)events;
    for (int turn = 0; turn < ACCEPTED_A_TURN; turn++) {
        int fd =
            count >= CONNECTIONS_MOST ? -1 : accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (count >= CONNECTIONS_MOST || (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR))
                rest_a_while(port);
            return;
        }
        begin(port, fd);
    }
}
