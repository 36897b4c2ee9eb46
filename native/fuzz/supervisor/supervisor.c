// Fuzzes a running sandbox's supervisor: messages of the daemon, and of login clients, in any order. No
// session starts outside its bounds, nobody but a session's own leader is signalled, and no descriptor is
// left open.

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "control/control.h"
#include "fuzz.h"
#include "session/session.h"

enum { NOBODY = 0x7ffffff0 }; // no process's id: PID_MAX_LIMIT is far below

static struct supervisor supervisor;
static int daemon_end, spawner_end, client_end = CLOSED_FD, client = CLOSED_FD, nothing;

// Instead of libc's.
int kill(pid_t pid, int number) {
    REQUIRE((pid == NOBODY || pid == -NOBODY) && number >= 0 && number < NSIG);
    return 0;
}

void supervisor_stop(struct supervisor *stopped, enum cause cause, const char *why) {
    (void)cause, (void)why;
    stopped->state = STATE_STOPPING;
}

_Noreturn void supervisor_leave(struct supervisor *left) {
    (void)left;
    abort();
}

// Only of an idle one, which this is not.
int build_sandbox(struct supervisor *built, struct wire_reader *reader, const struct received *received,
                  struct err *err) {
    (void)built, (void)reader, (void)received, (void)err;
    abort();
}

int replace_spawner(struct supervisor *replaced, struct err *err) {
    (void)replaced;
    return err_plain(err, FAILURE_SYSTEM, "no other spawner", NULL);
}

static void pair_of(int *ours, int *other) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    *ours = pair[0];
    *other = pair[1];
}

static void begin(void) {
    static struct shared shared;
    memset(&supervisor, 0, sizeof supervisor);
    memset(&shared, 0, sizeof shared);
    supervisor.state = STATE_RUNNING;
    supervisor.shared = &shared;
    supervisor.listener = supervisor.signals = supervisor.devpts = supervisor.init_pidfd = CLOSED_FD;
    supervisor.init_pid = NOBODY;
    supervisor.linger_at_ns = supervisor.kill_at_ns = supervisor.thaw_at_ns = NEVER;
    supervisor.cgroups.version = 2;
    supervisor.spec = (struct spec){.uid = 1000, .gid = 1000, .root_uid = 3000000000u, .linger_ms = 10};
    pair_of(&supervisor.control, &daemon_end);
    pair_of(&supervisor.spawner, &spawner_end);
    pair_of(&client, &client_end);
}

static void discard(int socket) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    int fds[WIRE_MAX_FDS];
    unsigned count;
    for (;;) {
        ssize_t length = wire_receive(socket, bytes, sizeof bytes, fds, &count);
        for (unsigned index = 0; length > 0 && index < count; index++)
            close_fd(fds[index]);
        if (length == 0 || (length < 0 && errno != EBADMSG))
            return;
    }
}

static void end(void) {
    for (size_t index = 0; index < MAX_SESSIONS; index++)
        if (supervisor.sessions[index].used)
            session_release(&supervisor, &supervisor.sessions[index]);
    int *const all[] = {&supervisor.control, &supervisor.spawner, &daemon_end, &spawner_end, &client,
                        &client_end};
    for (size_t index = 0; index < sizeof all / sizeof *all; index++)
        close_fd_at(all[index]);
}

static void each_session(void) {
    for (size_t index = 0; index < MAX_SESSIONS; index++) {
        struct session *session = &supervisor.sessions[index];
        if (!session->used)
            continue;
        supervisor.shared->slots[index].pid = session->started ? NOBODY : 0;
        if (session->connection >= 0)
            session_message(&supervisor, session);
        if (session->used)
            session_check_time(&supervisor, session);
        REQUIRE(memchr(session->id, '\0', sizeof session->id) != NULL);
        REQUIRE(memchr(session->note, '\0', sizeof session->note) != NULL);
    }
}

// One step of a conversation: what it is, how many descriptors go with it, a length of two bytes, and a body.
static size_t step(const uint8_t *bytes, size_t length) {
    size_t size = (size_t)bytes[2] | (size_t)bytes[3] << 8;
    size = size < length - 4 ? size : length - 4;
    const uint8_t *body = bytes + 4;
    unsigned count = bytes[1] % 5;
    const int with_client[] = {client, client, client, client};
    const int with_nothing[] = {nothing, nothing, nothing, nothing};
    switch (bytes[0] % 4) {
    case 0:
        (void)wire_send(daemon_end, body, size, with_client, count);
        if (supervisor.control >= 0)
            control_message(&supervisor);
        break;
    case 1:
        (void)wire_send(client_end, body, size, with_nothing, count);
        break;
    case 2:
        each_session();
        break;
    default:
        close_fd_at(&client);
        close_fd_at(&client_end);
        pair_of(&client, &client_end);
    }
    discard(daemon_end);
    discard(spawner_end);
    return 4 + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (nothing == 0)
        nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int free_fd = fuzz_free_fd();
    begin();
    for (size_t at = 0; at + 4 <= length;)
        at += step(bytes + at, length - at);
    end();
    REQUIRE(fuzz_free_fd() == free_fd);
    return 0;
}
