#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "wire.h"

// Until the daemon has said that it is at it: LoginGraceTime does not bound us.
#define FIRST_WORD_MS 2000
// As a login's client: the daemon says every 20 s that it is at it, a supervisor that is held up ends
// after 60.
#define SILENCE_MS 75000
// Where the daemon is started again meanwhile.
#define AGAIN_MS 10000
#define PAUSE_MS 50
#define MOST_AUTH 4096

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long milliseconds) {
    struct timespec pause = {.tv_nsec = milliseconds * 1000000};
    (void)nanosleep(&pause, NULL);
}

static int dial(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {.uid = 1};
    socklen_t size = sizeof peer;
    // Where many are waiting already, a connect() would wait for them.
    cleanup_fd int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection < 0 || strlen(path) >= sizeof address.sun_path)
        return -1;
    (void)strcpy(address.sun_path, path);
    if (connect(connection, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != 0)
        return -1;
    return take_fd(&connection);
}

static int send_join(int connection, const struct question *question) {
    uint8_t bytes[MOST_AUTH + 8192];
    struct timespec now;
    struct wire_writer writer;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    wire_start(&writer, bytes, sizeof bytes, MSG_JOIN);
    wire_put_text(&writer, TAG_USER, question->user);
    if (question->from != NULL && strlen(question->from) < 1024)
        wire_put_text(&writer, TAG_FROM, question->from);
    if (question->auth != NULL)
        wire_put(&writer, TAG_AUTH, question->auth, strnlen(question->auth, MOST_AUTH));
    if (question->entry != NULL)
        wire_put_text(&writer, TAG_GW_ENTRY, question->entry);
    if (question->client_folder != NULL && strlen(question->client_folder) < 4096)
        wire_put_text(&writer, TAG_CLIENT_FOLDER, question->client_folder);
    wire_put_u64(&writer, TAG_TIME, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    size_t length = wire_finish(&writer, 1);
    return length > 0 ? wire_send(connection, bytes, length, &question->monitor, 1) : -1;
}

static bool take_joined(struct answer *answer, const int *fds, unsigned count) {
    if (count != 4)
        return false;
    memcpy(answer->namespaces, fds, sizeof answer->namespaces);
    answer->witness = fds[3];
    return true;
}

static void take_words(struct answer *answer, struct wire_reader *reader) {
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_TEXT)
            (void)snprintf(answer->words, sizeof answer->words, "%.*s", (int)field.length,
                           (const char *)field.value);
    }
}

enum word { WORD_NONE, WORD_WAIT, WORD_END, WORD_JOINED, WORD_OUTSIDE, WORD_REFUSED };

static enum word hear(int connection, int64_t until, struct answer *answer) {
    uint8_t bytes[4096];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct wire_reader reader;
    struct pollfd polled = {.fd = connection, .events = POLLIN};
    int found;
    do {
        int64_t left = until - now_ms();
        found = poll(&polled, 1, left > 0 ? (int)left : 0);
    } while (found < 0 && errno == EINTR);
    if (found <= 0)
        return WORD_NONE;
    ssize_t length = wire_receive(connection, bytes, sizeof bytes, fds, &count);
    // Who refuses without taking our message: the answer is there, behind the reset.
    if (length < 0 && errno == ECONNRESET)
        length = wire_receive(connection, bytes, sizeof bytes, fds, &count);
    enum word word = WORD_END;
    if (length > 0 && wire_open(&reader, bytes, (size_t)length)) {
        if (reader.type == MSG_JOINED && take_joined(answer, fds, count))
            return WORD_JOINED;
        if (reader.type == MSG_ERROR)
            take_words(answer, &reader);
        word = reader.type == MSG_WAIT      ? WORD_WAIT
               : reader.type == MSG_OUTSIDE ? WORD_OUTSIDE
               : reader.type == MSG_ERROR   ? WORD_REFUSED
                                            : WORD_END;
    }
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    return word;
}

// From the connection on; `heard`: whether a daemon has ever said that it is at it.
static enum reply converse(int connection, int64_t first_until, bool *heard, struct answer *answer) {
    int64_t until = *heard ? now_ms() + AGAIN_MS : first_until;
    for (;;) {
        enum word word = hear(connection, until, answer);
        switch (word) {
        case WORD_WAIT:
            *heard = true;
            until = now_ms() + SILENCE_MS;
            break;
        case WORD_JOINED:
            return REPLY_JOINED;
        case WORD_OUTSIDE:
            return REPLY_OUTSIDE;
        case WORD_REFUSED:
            return REPLY_REFUSED;
        case WORD_END:
            return REPLY_LOST;
        default:
            return REPLY_NOBODY;
        }
    }
}

enum reply ask(const struct question *question, struct answer *answer) {
    *answer = (struct answer){
        .connection = CLOSED_FD, .namespaces = {CLOSED_FD, CLOSED_FD, CLOSED_FD}, .witness = CLOSED_FD};
    bool heard = false;
    int64_t first_until = now_ms() + FIRST_WORD_MS, until = first_until;
    do {
        cleanup_fd int connection = dial(question->socket);
        if (connection >= 0 && send_join(connection, question) == 0) {
            bool before = heard;
            enum reply reply = converse(connection, first_until, &heard, answer);
            if (reply == REPLY_JOINED)
                answer->connection = take_fd(&connection);
            if (reply != REPLY_LOST)
                return heard && reply == REPLY_NOBODY ? REPLY_LOST : reply;
            if (heard && !before)
                until = now_ms() + AGAIN_MS;
        }
        pause_ms(PAUSE_MS);
    } while (now_ms() < until);
    return heard ? REPLY_LOST : REPLY_NOBODY;
}

void answer_close(struct answer *answer) {
    close_fd_at(&answer->connection);
    for (size_t index = 0; index < 3; index++)
        close_fd_at(&answer->namespaces[index]);
    close_fd_at(&answer->witness);
}
