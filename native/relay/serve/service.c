#include "serve/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "follow.h"
#include "serve/client.h"
#include "serve/lookup.h"
#include "wire.h"

// In one turn, of one sandbox: then it is the others' turn.
#define DATAGRAMS_A_TURN 16
#define CONNECTIONS_A_TURN 4
// How long it stays without anybody: whoever has started it must have the time to connect.
#define LINGER (5 * SECONDS)

static uint8_t message[WIRE_MAX_BYTES];
static struct watch listener;
static const char *program_name;
static unsigned connected;
static uint64_t idle_at_ns;
static struct timer idle;

bool service_is_idle(void) {
    return connected == 0 && loop_now() >= idle_at_ns;
}

static void nothing(struct timer *timer) {
    (void)timer;
}

static void wait_for_somebody(void) {
    idle_at_ns = loop_now() + LINGER;
    idle.due = nothing; // the loop turns, and main() asks
    if (!timer_set(&idle, idle_at_ns))
        idle_at_ns = 0;
}

// ---- what a sandbox asks ---------------------------------------------------------------------------------

// Not read while it is over a bound: what comes then waits in its socket, which is the sandbox's memory, and
// costs nobody anything.
static void pause_reading(struct sandbox *sandbox, uint64_t wait) {
    loop_change(&sandbox->udp, 0);
    loop_change(&sandbox->listener, 0);
    if (wait > 0)
        (void)timer_set(&sandbox->resume, loop_now() + wait);
}

// Also when a lookup or a client ends, of which there were too many.
static void resume_reading(struct timer *timer) {
    struct sandbox *sandbox = OWNER(timer, struct sandbox, resume);
    if (sandbox->lookup_count < MOST_LOOKUPS)
        loop_change(&sandbox->udp, EPOLLIN);
    if (sandbox->client_count < MOST_CLIENTS)
        loop_change(&sandbox->listener, EPOLLIN);
}

static void udp_ready(struct watch *watch, uint32_t events) {
    static uint8_t bytes[DNS_MOST_QUERY_BYTES + 1];
    struct sandbox *sandbox = OWNER(watch, struct sandbox, udp);
    (void)events;
    for (int turn = 0; turn < DATAGRAMS_A_TURN; turn++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        uint64_t wait = sandbox_wait(sandbox);
        if (wait > 0 || sandbox->lookup_count >= MOST_LOOKUPS) {
            pause_reading(sandbox, wait);
            return;
        }
        ssize_t length =
            recvfrom(watch->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (length < 0)
            return;
        (void)sandbox_count(sandbox);
        (void)lookup_by_udp(sandbox, &from, size, bytes, (size_t)length);
    }
}

static void listener_ready(struct watch *watch, uint32_t events) {
    struct sandbox *sandbox = OWNER(watch, struct sandbox, listener);
    (void)events;
    for (int turn = 0; turn < CONNECTIONS_A_TURN; turn++) {
        if (sandbox->client_count >= MOST_CLIENTS) {
            loop_change(&sandbox->listener, 0);
            return;
        }
        uint64_t wait = sandbox_wait(sandbox);
        if (wait > 0) {
            pause_reading(sandbox, wait);
            return;
        }
        int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        (void)sandbox_count(sandbox);
        client_begin(sandbox, fd);
    }
}

// ---- what a supervisor says ------------------------------------------------------------------------------

// An open socket keeps the network of a dead sandbox.
static void end_sandbox(struct sandbox *sandbox) {
    while (sandbox->clients != NULL)
        client_end(sandbox->clients);
    while (sandbox->lookups != NULL)
        lookup_drop(sandbox->lookups);
    timer_clear(&sandbox->resume);
    loop_close(&sandbox->udp);
    loop_close(&sandbox->listener);
    loop_close(&sandbox->connection);
    policy_free(sandbox->policy);
    sandbox->policy = NULL;
    loop_free_later(sandbox);
    if (--connected == 0)
        wait_for_somebody();
}

static bool serve(struct sandbox *sandbox, struct wire_reader *reader, int *fds, unsigned count) {
    struct wire_field field;
    struct policy *policy = NULL;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &sandbox->generation);
        if (field.tag == TAG_NET_DNS && policy == NULL)
            policy = policy_parse((const char *)field.value, field.length, follow_interface);
    }
    if (policy == NULL)
        return false;
    policy_free(sandbox->policy);
    sandbox->policy = policy;
    if (count == 0) // the same sockets, and new words on how to answer
        return sandbox->udp.fd >= 0;
    if (count != 2 || sandbox->udp.fd >= 0)
        return false;
    for (unsigned index = 0; index < count; index++)
        (void)fcntl(fds[index], F_SETFL, O_NONBLOCK);
    return loop_add(&sandbox->udp, take_fd(&fds[0]), EPOLLIN) &&
           loop_add(&sandbox->listener, take_fd(&fds[1]), EPOLLIN);
}

static bool pinned(struct sandbox *sandbox, struct wire_reader *reader) {
    uint32_t number = 0, code = 1;
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &number);
        else if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &code);
    }
    lookup_pinned(sandbox, number, code == 0);
    return true;
}

static bool introduce(const struct sandbox *sandbox) {
    uint8_t bytes[256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_STATE);
    wire_put_text(&writer, TAG_STATE, program_name);
    return wire_send(sandbox->connection.fd, bytes, wire_finish(&writer, 0), NULL, 0) == 0;
}

static bool obey(struct sandbox *sandbox, struct wire_reader *reader, int *fds, unsigned count) {
    switch (reader->type) {
    case MSG_RELAY_SERVE:
        return serve(sandbox, reader, fds, count);
    case MSG_RELAY_PINNED:
        return pinned(sandbox, reader);
    case MSG_HELLO:
        return introduce(sandbox);
    case MSG_STOP:
        _exit(0); // the next one is given the sockets again
    default:
        return false;
    }
}

static void connection_ready(struct watch *watch, uint32_t events) {
    struct sandbox *sandbox = OWNER(watch, struct sandbox, connection);
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct wire_reader reader;
    (void)events;
    ssize_t length = wire_receive(watch->fd, message, sizeof message, fds, &count);
    if (length < 0 && errno == EAGAIN)
        return;
    bool good =
        length > 0 && wire_open(&reader, message, (size_t)length) && obey(sandbox, &reader, fds, count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (!good)
        end_sandbox(sandbox);
}

static void accept_connection(struct watch *watch, uint32_t events) {
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (sandbox == NULL) {
        close_fd(fd);
        return;
    }
    sandbox->udp = (struct watch){.fd = CLOSED_FD, .ready = udp_ready};
    sandbox->listener = (struct watch){.fd = CLOSED_FD, .ready = listener_ready};
    sandbox->connection.ready = connection_ready;
    sandbox->resume.due = resume_reading;
    if (loop_add(&sandbox->connection, fd, EPOLLIN))
        connected++;
    else
        free(sandbox);
}

int service_start(int fd, const char *program, struct err *err) {
    program_name = program;
    listener.ready = accept_connection;
    wait_for_somebody();
    return loop_add(&listener, fd, EPOLLIN) ? 0 : err_sys(err, "listen", NULL);
}
