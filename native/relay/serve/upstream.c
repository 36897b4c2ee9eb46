#include "serve/upstream.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "cleanup.h"

// Who asks has a patience of five seconds as a rule, and asks twice (resolv.conf(5)).
#define WHOLE_PATIENCE (9 * SECONDS)
#define PATIENCE (1 * SECONDS) // with a server, where there is another
#define PATIENCE_WITH_ONE (2 * SECONDS)
#define PATIENCE_WITH_SLOW (100 * MILLISECONDS)
#define REFUSED_PATIENCE (300 * MILLISECONDS) // for one that is being started again
#define MOST_SILENCES 3
#define SLOW_FOR (20 * SECONDS)

static uint8_t answer[DNS_MOST_BYTES];

static struct server *server_of(const struct attempt *attempt) {
    const struct upstream *upstream = attempt->upstream;
    return &upstream->servers->list[attempt - upstream->attempts];
}

static void attempt_close(struct attempt *attempt) {
    loop_close(&attempt->watch);
    framed_clear(&attempt->framed);
}

void upstream_stop(struct upstream *upstream) {
    timer_clear(&upstream->timer);
    for (size_t index = 0; index < MOST_SERVERS; index++)
        attempt_close(&upstream->attempts[index]);
    servers_leave(upstream->servers);
    upstream->servers = NULL;
}

static void finish(struct upstream *upstream, const uint8_t *bytes, size_t length) {
    upstream_stop(upstream);
    upstream->done(upstream, bytes, length);
}

// ---- which server ------------------------------------------------------------------------------------

// The order stays what the file says: those behind may know less (split DNS). A server that has been silent
// is waited for a shorter time, so that a dead one costs little, and one that is said to be dead by whoever
// asks for names that nobody answers is asked all the same.
static void note_silence(struct server *server) {
    if (++server->silences >= MOST_SILENCES)
        server->slow_until_ns = loop_now() + SLOW_FOR;
}

static void note_answer(struct server *server) {
    server->silences = 0;
    server->slow_until_ns = 0;
}

static uint64_t patience_with(const struct upstream *upstream, int index) {
    if (upstream->servers->count == 1)
        return PATIENCE_WITH_ONE;
    return upstream->servers->list[index].slow_until_ns > loop_now() ? PATIENCE_WITH_SLOW : PATIENCE;
}

static int next_server(const struct upstream *upstream) {
    for (size_t index = 0; index < upstream->servers->count; index++) {
        if ((upstream->tried & 1u << index) == 0)
            return (int)index;
    }
    return -1;
}

static bool any_open(const struct upstream *upstream) {
    for (size_t index = 0; index < MOST_SERVERS; index++) {
        if (upstream->attempts[index].watch.fd >= 0)
            return true;
    }
    return false;
}

// ---- one attempt -------------------------------------------------------------------------------------

static void put_id(const struct attempt *attempt) {
    attempt->upstream->message[0] = (uint8_t)(attempt->id >> 8);
    attempt->upstream->message[1] = (uint8_t)attempt->id;
}

static bool attempt_send(const struct attempt *attempt) {
    const struct upstream *upstream = attempt->upstream;
    put_id(attempt);
    return send(attempt->watch.fd, upstream->message, upstream->length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void attempt_ready(struct watch *watch, uint32_t events);

// Connected, so that the kernel passes on nothing but what that server sends from that port; ours is a random
// one.
static bool attempt_open(struct attempt *attempt) {
    struct upstream *upstream = attempt->upstream;
    const struct server *server = server_of(attempt);
    int type = upstream->stream ? SOCK_STREAM : SOCK_DGRAM;
    cleanup_fd int fd = socket(server->address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || getrandom(&attempt->id, sizeof attempt->id, 0) != sizeof attempt->id)
        return false;
    if (connect(fd, &server->address.any, server->size) != 0 && errno != EINPROGRESS)
        return false;
    attempt->sent = false;
    attempt->watch.ready = attempt_ready;
    if (!upstream->stream)
        return loop_add(&attempt->watch, take_fd(&fd), EPOLLIN) && attempt_send(attempt);
    put_id(attempt);
    return framed_begin(&attempt->framed, upstream->message, upstream->length) &&
           loop_add(&attempt->watch, take_fd(&fd), EPOLLOUT);
}

static bool attempt_try(struct upstream *upstream, size_t index) {
    struct attempt *attempt = &upstream->attempts[index];
    attempt_close(attempt);
    upstream->tried |= 1u << index;
    if (attempt_open(attempt))
        return true;
    attempt_close(attempt);
    note_silence(server_of(attempt));
    return false;
}

static void set_timer(struct upstream *upstream, uint64_t patience) {
    if (!timer_set(&upstream->timer, loop_now() + patience))
        finish(upstream, NULL, 0);
}

static void ask_next(struct upstream *upstream) {
    for (int index = next_server(upstream); index >= 0; index = next_server(upstream)) {
        if (attempt_try(upstream, (size_t)index)) {
            set_timer(upstream, patience_with(upstream, index));
            return;
        }
    }
    if (any_open(upstream))
        return;
    if (upstream->rounds > 0)
        finish(upstream, NULL, 0);
    else
        set_timer(upstream, REFUSED_PATIENCE);
}

static void ask_all_again(struct upstream *upstream) {
    bool asked = false;
    upstream->rounds++;
    for (size_t index = 0; index < upstream->servers->count; index++) {
        struct attempt *attempt = &upstream->attempts[index];
        if (attempt->watch.fd < 0)
            asked |= attempt_try(upstream, index);
        else
            asked |= upstream->stream || attempt_send(attempt);
    }
    if (asked)
        set_timer(upstream, PATIENCE_WITH_ONE);
    else
        finish(upstream, NULL, 0);
}

static void is_due(struct timer *timer) {
    struct upstream *upstream = OWNER(timer, struct upstream, timer);
    if (loop_now() >= upstream->ends_at_ns) {
        finish(upstream, NULL, 0);
        return;
    }
    for (size_t index = 0; index < upstream->servers->count; index++) {
        if (upstream->attempts[index].watch.fd >= 0)
            note_silence(&upstream->servers->list[index]);
    }
    if (next_server(upstream) >= 0)
        ask_next(upstream);
    else
        ask_all_again(upstream);
}

// ---- answers -----------------------------------------------------------------------------------------

static void attempt_failed(struct attempt *attempt) {
    attempt_close(attempt);
    note_silence(server_of(attempt));
    ask_next(attempt->upstream);
}

static void take(struct attempt *attempt, const uint8_t *bytes, size_t length) {
    struct upstream *upstream = attempt->upstream;
    unsigned code = dns_code(bytes);
    note_answer(server_of(attempt));
    if ((code == DNS_SERVER_FAILURE || code == DNS_NOT_IMPLEMENTED || code == DNS_REFUSED) &&
        next_server(upstream) >= 0) {
        attempt_close(attempt);
        ask_next(upstream);
        return;
    }
    finish(upstream, bytes, length);
}

static void datagram(struct attempt *attempt) {
    ssize_t length = recv(attempt->watch.fd, answer, sizeof answer, MSG_DONTWAIT);
    if (length < 0 && errno != EAGAIN && errno != EINTR)
        attempt_failed(attempt); // nobody listens there
    else if (length >= 0 && dns_is_answer(answer, (size_t)length, attempt->id, attempt->upstream->query))
        take(attempt, answer, (size_t)length);
}

static void stream(struct attempt *attempt) {
    struct framed *framed = &attempt->framed;
    enum framed_state state = attempt->sent ? framed_read(attempt->watch.fd, framed, DNS_MOST_BYTES)
                                            : framed_write(attempt->watch.fd, framed);
    if (state == FRAMED_BROKEN) {
        attempt_failed(attempt);
    } else if (state == FRAMED_WHOLE && !attempt->sent) {
        framed_clear(framed);
        attempt->sent = true;
        loop_change(&attempt->watch, EPOLLIN);
    } else if (state == FRAMED_WHOLE) {
        size_t length = framed->length;
        if (!dns_is_answer(framed->bytes, length, attempt->id, attempt->upstream->query)) {
            attempt_failed(attempt);
            return;
        }
        memcpy(answer, framed->bytes, length); // what it lies in is closed
        take(attempt, answer, length);
    }
}

static void attempt_ready(struct watch *watch, uint32_t events) {
    struct attempt *attempt = OWNER(watch, struct attempt, watch);
    (void)events;
    if (attempt->upstream->stream)
        stream(attempt);
    else
        datagram(attempt);
}

void upstream_start(struct upstream *upstream) {
    upstream->tried = upstream->rounds = 0;
    upstream->ends_at_ns = loop_now() + WHOLE_PATIENCE;
    upstream->timer.due = is_due;
    for (size_t index = 0; index < MOST_SERVERS; index++) {
        upstream->attempts[index].upstream = upstream;
        upstream->attempts[index].watch.fd = CLOSED_FD;
    }
    ask_next(upstream);
}
