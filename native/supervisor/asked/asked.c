#include "asked/asked.h"

#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "closing.h"
#include "control/tell.h"

// As many at once, then five a second.
#define BURST 20u
#define INTERVAL_NS 200000000u
// Of a connection that says nothing.
#define PATIENCE_NS (5u * 1000000000ull)

struct ask {
    bool used;
    int connection;
    uint32_t number; // the daemon's answer names it
    bool sent;
    uint64_t until_ns;
};

static struct ask asks[ASKED_MOST];
static int listener = CLOSED_FD;
static uint32_t last_number;
// When as many will have asked as may until now.
static uint64_t paid_until_ns;

void asked_open(int made) {
    listener = made;
}

static bool may_ask(uint64_t now) {
    return paid_until_ns <= now + BURST * (uint64_t)INTERVAL_NS;
}

static struct ask *free_place(void) {
    for (size_t index = 0; index < ASKED_MOST; index++) {
        if (!asks[index].used)
            return &asks[index];
    }
    return NULL;
}

void asked_poll(const struct supervisor *supervisor, struct pollfd *polled) {
    bool accepts = supervisor->state == STATE_RUNNING && free_place() != NULL && may_ask(monotonic_ns());
    polled[0] = (struct pollfd){.fd = accepts ? listener : -1, .events = POLLIN};
    for (size_t index = 0; index < ASKED_MOST; index++) {
        const struct ask *ask = &asks[index];
        // Without a daemon they wait for the next one. Of those that wait for an answer only the end is of
        // interest.
        bool reads = ask->used && !ask->sent && supervisor->control >= 0;
        polled[1 + index] =
            (struct pollfd){.fd = ask->used ? ask->connection : -1, .events = reads ? POLLIN : 0};
    }
}

static void end(struct supervisor *supervisor, struct ask *ask) {
    closing_end(&ask->connection, supervisor->spec.uid);
    *ask = (struct ask){.connection = CLOSED_FD};
}

// The user, and root inside, whose sandbox it is as well; no other id that there is inside.
static bool is_owners(const struct supervisor *supervisor, int connection) {
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == supervisor->spec.uid || peer.uid == supervisor->spec.root_uid);
}

static void take_next(struct supervisor *supervisor) {
    uint64_t now = monotonic_ns();
    struct ask *place = free_place();
    if (place == NULL || !may_ask(now))
        return;
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0)
        return;
    paid_until_ns = (paid_until_ns > now ? paid_until_ns : now) + INTERVAL_NS;
    *place = (struct ask){
        .used = true, .connection = connection, .number = ++last_number, .until_ns = now + PATIENCE_NS};
    if (!is_owners(supervisor, connection))
        end(supervisor, place);
}

// What it says is the daemon's to read.
static void pass_on(struct supervisor *supervisor, struct ask *ask) {
    uint8_t words[ASKING_MOST_BYTES], bytes[ASKING_MOST_BYTES + 64];
    struct wire_writer writer;
    enum client_next next = client_next(ask->connection);
    if (next == CLIENT_NOTHING)
        return;
    ssize_t length =
        next == CLIENT_PLAIN ? recv(ask->connection, words, sizeof words, MSG_DONTWAIT | MSG_TRUNC) : -1;
    if (length <= 0 || (size_t)length > sizeof words) {
        end(supervisor, ask); // its end, descriptors that are nobody's to receive here, or too much
        return;
    }
    wire_start(&writer, bytes, sizeof bytes, MSG_ASKED);
    wire_put_u32(&writer, TAG_SLOT, ask->number);
    wire_put(&writer, TAG_ARG, words, (size_t)length);
    ask->sent = tell_daemon(supervisor, &writer, CLOSED_FD);
    if (!ask->sent)
        end(supervisor, ask);
}

void asked_hear(struct supervisor *supervisor, const struct pollfd *polled) {
    if (polled[0].revents != 0)
        take_next(supervisor);
    for (size_t index = 0; index < ASKED_MOST; index++) {
        struct ask *ask = &asks[index];
        const struct pollfd *seen = &polled[1 + index];
        if (!ask->used || seen->fd != ask->connection)
            continue;
        if ((seen->revents & POLLIN) != 0 && !ask->sent)
            pass_on(supervisor, ask);
        else if ((seen->revents & (POLLHUP | POLLERR)) != 0)
            end(supervisor, ask);
        else if (!ask->sent && supervisor->control >= 0 && ask->until_ns <= monotonic_ns())
            end(supervisor, ask);
    }
}

uint64_t asked_next(void) {
    uint64_t now = monotonic_ns();
    uint64_t next = listener >= 0 && !may_ask(now) ? paid_until_ns - BURST * (uint64_t)INTERVAL_NS : NEVER;
    for (size_t index = 0; index < ASKED_MOST; index++) {
        if (asks[index].used && !asks[index].sent && asks[index].until_ns < next)
            next = asks[index].until_ns > now ? asks[index].until_ns : now + INTERVAL_NS;
    }
    return next;
}

void asked_answer(struct supervisor *supervisor, struct wire_reader *reader) {
    struct wire_field field;
    const uint8_t *answer = NULL;
    size_t length = 0;
    uint32_t number = 0;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &number);
        else if (field.tag == TAG_ANSWER) {
            answer = field.value;
            length = field.length;
        }
    }
    for (size_t index = 0; index < ASKED_MOST; index++) {
        struct ask *ask = &asks[index];
        if (!ask->used || !ask->sent || ask->number != number)
            continue;
        if (answer != NULL)
            client_tell(ask->connection, answer, length);
        end(supervisor, ask);
    }
}

void asked_lost(struct supervisor *supervisor) {
    for (size_t index = 0; index < ASKED_MOST; index++) {
        if (asks[index].used && asks[index].sent)
            end(supervisor, &asks[index]);
    }
}

void asked_close(struct supervisor *supervisor) {
    close_fd_at(&listener);
    for (size_t index = 0; index < ASKED_MOST; index++) {
        if (asks[index].used)
            end(supervisor, &asks[index]);
    }
}
