#include "inside/forward/forwards.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inside/answer.h"
#include "inside/forward/bounds.h"
#include "inside/forward/forwarder.h"
#include "inside/forward/report.h"
#include "inside/state.h"

enum state { FREE, CONNECTING, OPENING, LISTENING };

struct forward {
    enum state state;
    uint32_t slot;
    bool is_agent;
    struct report report;
};

struct forwards {
    struct forward list[MOST_PENDING + MOST_LISTENING];
    pid_t forwarder;
    int socket;
    char agent[256];
};

struct forwards *forwards_new(void) {
    struct forwards *forwards = calloc(1, sizeof *forwards);
    if (forwards != NULL)
        forwards->socket = CLOSED_FD;
    return forwards;
}

const char *forwards_agent(const struct forwards *forwards) {
    return forwards->agent[0] != '\0' ? forwards->agent : NULL;
}

int forwards_poll(const struct forwards *forwards) {
    return forwards->socket;
}

static size_t count_of(const struct forwards *forwards, enum state least) {
    size_t count = 0;
    for (size_t index = 0; index < MOST_PENDING + MOST_LISTENING; index++) {
        enum state state = forwards->list[index].state;
        count += state >= least && state != FREE ? 1 : 0;
    }
    return count;
}

static struct forward *forward_at(struct forwards *forwards, uint32_t slot) {
    for (size_t index = 0; index < MOST_PENDING + MOST_LISTENING; index++)
        if (forwards->list[index].state != FREE && forwards->list[index].slot == slot)
            return &forwards->list[index];
    return NULL;
}

static struct forward *free_forward(struct forwards *forwards) {
    for (size_t index = 0; index < MOST_PENDING + MOST_LISTENING; index++)
        if (forwards->list[index].state == FREE)
            return &forwards->list[index];
    return NULL;
}

// ---- the forwarder --------------------------------------------------------------------------------------

// In what is asked for first; a forwarder that has ended is replaced then.
static int ensure_forwarder(struct inside *inside) {
    struct forwards *forwards = inside->forwards;
    int pair[2];
    if (forwards->socket >= 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close_fd(pair[0]);
        forwarder_run(inside->login, pair[1], inside->place.witness);
    }
    close_fd(pair[1]);
    if (pid < 0) {
        close_fd(pair[0]);
        return -1;
    }
    forwards->forwarder = pid;
    forwards->socket = pair[0];
    return 0;
}

// What listens goes on: the sockets are the connection process's. Who waits is told.
static int forwarder_gone(struct inside *inside) {
    struct forwards *forwards = inside->forwards;
    int answered = 0;
    close_fd_at(&forwards->socket);
    forwards->agent[0] = '\0';
    for (size_t index = 0; index < MOST_PENDING + MOST_LISTENING; index++) {
        struct forward *forward = &forwards->list[index];
        bool waits = forward->state == CONNECTING || forward->state == OPENING;
        if (waits)
            report_tell(inside->place.connection, &forward->report, ECONNRESET);
        if (waits && answer_opened(inside->connection, forward->slot, ECONNRESET,
                                   "What makes connections in the sandbox has ended.") != 0)
            answered = -1;
        forward->state = FREE;
    }
    return answered;
}

void forwards_reap(struct inside *inside) {
    struct forwards *forwards = inside->forwards;
    if (forwards->forwarder > 0 && waitpid(forwards->forwarder, NULL, WNOHANG) == forwards->forwarder)
        forwards->forwarder = 0;
}

void forwards_close(struct inside *inside) {
    close_fd_at(&inside->forwards->socket);
    report_rest(inside->place.connection);
}

// ---- what it says: the user's process, which may have been taken over
// --------------------------------------

struct opened {
    uint32_t slot, code, port;
    char text[256];
    bool has_slot, has_port;
};

static bool read_opened(struct opened *opened, const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    struct wire_field field;
    memset(opened, 0, sizeof *opened);
    if (!wire_open(&reader, bytes, length) || reader.type != MSG_GW_OPENED)
        return false;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_SLOT)
            opened->has_slot = wire_u32(&field, &opened->slot);
        if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &opened->code);
        if (field.tag == TAG_GW_PORT)
            opened->has_port = wire_u32(&field, &opened->port);
        if (field.tag == TAG_TEXT && field.length < sizeof opened->text &&
            memchr(field.value, '\0', field.length) == NULL)
            memcpy(opened->text, field.value, field.length);
    }
    return opened->has_slot;
}

static int pass_on(struct inside *inside, const struct opened *opened, const int *fds, unsigned count) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_OPENED);
    wire_put_u32(&writer, TAG_SLOT, opened->slot);
    wire_put_u32(&writer, TAG_CODE, opened->code);
    if (opened->text[0] != '\0')
        wire_put_text(&writer, TAG_TEXT, opened->text);
    if (opened->has_port)
        wire_put_u32(&writer, TAG_GW_PORT, opened->port);
    return wire_send(inside->connection, bytes, wire_finish(&writer, count), fds, count);
}

int forwards_ready(struct inside *inside) {
    struct forwards *forwards = inside->forwards;
    uint8_t bytes[2048];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct opened opened;
    ssize_t length = wire_receive(forwards->socket, bytes, sizeof bytes, fds, &count);
    if (length <= 0)
        return forwarder_gone(inside);
    struct forward *forward =
        read_opened(&opened, bytes, (size_t)length) ? forward_at(forwards, opened.slot) : NULL;
    int answered = 0;
    if (forward != NULL && forward->state != LISTENING) {
        unsigned most = forward->state == OPENING ? 2 : 1;
        if (opened.code == 0 && (count == 0 || count > most))
            opened = (struct opened){.slot = opened.slot, .code = EPROTO};
        bool done = opened.code == 0;
        if (done && forward->is_agent)
            memcpy(forwards->agent, opened.text, sizeof forwards->agent);
        forward->state = forward->state == OPENING && done ? LISTENING : FREE;
        report_tell(inside->place.connection, &forward->report, opened.code);
        answered = pass_on(inside, &opened, fds, done ? count : 0);
    }
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    return answered;
}

// ---- what is asked for ------------------------------------------------------------------------------------

static bool may_connect(const struct rights *rights, const struct request *request) {
    if (strcmp(request->kind, "tcp") == 0)
        return rights_may_open(rights, request->name, request->code);
    return rights->forward && rights->permit_open == NULL;
}

static bool may_listen(const struct rights *rights, const struct request *request) {
    if (strcmp(request->kind, "tcp") == 0)
        return rights_may_listen(rights, request->name, request->code);
    if (strcmp(request->kind, "agent") == 0)
        return rights->agent;
    if (strcmp(request->kind, "x11") == 0)
        return rights->x11;
    return rights->forward && rights->permit_listen == NULL;
}

static bool is_kind(const struct request *request) {
    const char *kind = request->kind;
    bool listens = request->type == MSG_GW_LISTEN;
    bool named = (request->has & HAS_NAME) != 0;
    if (strcmp(kind, "tcp") == 0)
        return named && request->code <= UINT16_MAX && (request->has & HAS_CODE) != 0;
    if (strcmp(kind, "unix") == 0)
        return named && request->name[0] == '/';
    return listens && (strcmp(kind, "agent") == 0 || strcmp(kind, "x11") == 0);
}

// A reason not to, or NULL.
static const char *refusal_of(struct inside *inside, const struct request *request, int *code) {
    const struct rights *rights = &inside->login->rights;
    bool listens = request->type == MSG_GW_LISTEN;
    struct forwards *forwards = inside->forwards;
    size_t listening = count_of(forwards, OPENING);
    *code = EACCES;
    if (!inside->joined)
        return inside->refusal;
    if (!(listens ? may_listen(rights, request) : may_connect(rights, request)))
        return "The key that has logged you in does not allow this.";
    *code = EAGAIN;
    if (listens && listening >= MOST_LISTENING)
        return "This connection listens at as many places as it may.";
    if (!listens && count_of(forwards, CONNECTING) - listening >= MOST_PENDING)
        return "As many connections are being made as may be at a time.";
    if (ensure_forwarder(inside) == 0)
        return NULL;
    *code = errno;
    return "What makes connections in the sandbox can't be started.";
}

static int forget(struct inside *inside, uint32_t slot, const uint8_t *bytes, size_t length) {
    struct forwards *forwards = inside->forwards;
    struct forward *forward = forward_at(forwards, slot);
    if (forward == NULL) // with a forwarder that has ended
        return 0;
    if (forward->state != LISTENING)
        return -1;
    if (forward->is_agent)
        forwards->agent[0] = '\0';
    forward->state = FREE;
    (void)wire_send(forwards->socket, bytes, length, NULL, 0); // where it has gone, it is found out
    return 0;
}

int forwards_hear(struct inside *inside, const struct request *request, const uint8_t *bytes, size_t length) {
    struct forwards *forwards = inside->forwards;
    int code;
    if (request->type == MSG_GW_CLOSE)
        return forget(inside, request->slot, bytes, length);
    if (!is_kind(request) || forward_at(forwards, request->slot) != NULL)
        return -1;
    const struct report report = report_of(request);
    const char *refusal = refusal_of(inside, request, &code);
    if (refusal != NULL) {
        if (inside->joined)
            report_tell(inside->place.connection, &report, (uint32_t)code);
        return answer_opened(inside->connection, request->slot, code, refusal);
    }
    struct forward *forward = free_forward(forwards);
    if (forward == NULL || wire_send(forwards->socket, bytes, length, NULL, 0) != 0)
        return answer_opened(inside->connection, request->slot, ECONNRESET,
                             "What makes connections in the sandbox has ended.");
    *forward = (struct forward){.state = request->type == MSG_GW_LISTEN ? OPENING : CONNECTING,
                                .slot = request->slot,
                                .is_agent = strcmp(request->kind, "agent") == 0,
                                .report = report};
    return 0;
}
