// Tests of encoding, decoding and sending messages (common/wire.c), with every kind of malformed message.
// Under the sanitizers: a read past the end of a message ends the test.

#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "cleanup.h"

static uint8_t large[WIRE_MAX_BYTES + 64];

static size_t sample(uint8_t *bytes, size_t size, unsigned fd_count) {
    struct wire_writer writer;
    wire_start(&writer, bytes, size, MSG_LOGIN);
    wire_put_text(&writer, TAG_ARG, "-dockersh");
    wire_put_text(&writer, TAG_ARG, "");
    wire_put_u32(&writer, TAG_UMASK, 022);
    wire_put_u64(&writer, TAG_TIME, 0x0123456789abcdefull);
    wire_put(&writer, TAG_ENV, "a\0b", 3);
    return wire_finish(&writer, fd_count);
}

static void test_layout(void) {
    // Byte for byte, as docs/protocol.md says it.
    static const uint8_t expected[] = {'D', 'S', 'H', 1, 3, 0, 2, 0, 12, 0, 0, 0,
                                       11,  0,   0,   0, 4, 0, 0, 0, 42, 0, 0, 0};
    uint8_t bytes[64];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_EXIT);
    wire_put_u32(&writer, TAG_CODE, 42);
    CHECK(wire_finish(&writer, 2) == sizeof expected);
    CHECK(memcmp(bytes, expected, sizeof expected) == 0);
    wire_retype(bytes, MSG_READY);
    struct wire_reader reader;
    CHECK(wire_open(&reader, bytes, sizeof expected) && reader.type == MSG_READY && reader.fd_count == 2);
    wire_retype(bytes, MSG_EXIT);
    CHECK(memcmp(bytes, expected, sizeof expected) == 0);
}

static void test_lists(void) {
    uint32_t numbers[3] = {7, 7, 7};
    size_t count = 9;
    struct wire_field field = {.length = 0, .value = NULL};
    CHECK(wire_u32s(&field, numbers, 2, &count) && count == 0);
    static const uint8_t value[] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
    field = (struct wire_field){.length = 8, .value = value};
    CHECK(wire_u32s(&field, numbers, 2, &count) && count == 2);
    CHECK(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 7);
    for (field.length = 1; field.length <= sizeof value; field.length++) // half a number, or one too many
        CHECK(wire_u32s(&field, numbers, 2, &count) == (field.length == 4 || field.length == 8));
    CHECK(numbers[2] == 7);
}

static void test_round_trip(void) {
    uint8_t bytes[256];
    struct wire_reader reader;
    struct wire_field field;
    uint32_t number = 0;
    uint64_t wide = 0;
    size_t length = sample(bytes, sizeof bytes, 3);
    CHECK(wire_open(&reader, bytes, length) && reader.type == MSG_LOGIN && reader.fd_count == 3);
    CHECK(wire_next(&reader, &field) && field.tag == TAG_ARG && field.length == 9);
    cleanup_free char *text = wire_text(&field);
    CHECK(strcmp(text, "-dockersh") == 0 && !wire_u32(&field, &number) && !wire_u64(&field, &wide));
    CHECK(wire_next(&reader, &field) && field.tag == TAG_ARG && field.length == 0);
    cleanup_free char *empty = wire_text(&field);
    CHECK(strcmp(empty, "") == 0 && !wire_u32(&field, &number));
    CHECK(wire_next(&reader, &field) && field.tag == TAG_UMASK);
    CHECK(wire_u32(&field, &number) && number == 022 && !wire_u64(&field, &wide));
    CHECK(wire_next(&reader, &field) && field.tag == TAG_TIME);
    CHECK(wire_u64(&field, &wide) && wide == 0x0123456789abcdefull && !wire_u32(&field, &number));
    CHECK(wire_next(&reader, &field) && field.tag == TAG_ENV && field.length == 3);
    CHECK(wire_text(&field) == NULL); // a NUL inside would cut it short
    CHECK(!wire_next(&reader, &field));
}

static void test_no_message_of_ours(void) {
    uint8_t bytes[256];
    struct wire_reader reader;
    size_t length = sample(bytes, sizeof bytes, 3);
    for (size_t cut = 0; cut < length; cut++)
        CHECK(!wire_open(&reader, bytes, cut));
    CHECK(!wire_open(&reader, bytes, length + 1));
    for (size_t at = 0; at < 4; at++) { // "DSH" and the version
        bytes[at] ^= 1;
        CHECK(!wire_open(&reader, bytes, length));
        bytes[at] ^= 1;
    }
    bytes[8] -= 1; // a body shorter than what arrived
    CHECK(!wire_open(&reader, bytes, length));
    bytes[8] += 2;
    CHECK(!wire_open(&reader, bytes, length));
    bytes[8] -= 1;
    bytes[6] = WIRE_MAX_FDS + 1;
    CHECK(!wire_open(&reader, bytes, length));
    bytes[6] = 3;
    // A first field that is longer than the message, by one, and by so much that an addition wraps.
    static const uint32_t lengths[] = {1000, 0x7fffffff, 0xfffffff8, 0xffffffff};
    for (size_t index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
        memcpy(bytes + WIRE_HEADER_BYTES + 4, &lengths[index], 4);
        CHECK(!wire_open(&reader, bytes, length));
    }
    uint32_t right = 9;
    memcpy(bytes + WIRE_HEADER_BYTES + 4, &right, 4);
    CHECK(wire_open(&reader, bytes, length));
}

static void test_limits(void) {
    struct wire_writer writer;
    struct wire_reader reader;
    uint8_t tiny[WIRE_HEADER_BYTES + WIRE_FIELD_BYTES + 2];
    wire_start(&writer, tiny, sizeof tiny, MSG_ERROR);
    wire_put_text(&writer, TAG_TEXT, "abc");
    CHECK(wire_finish(&writer, 0) == 0);
    wire_start(&writer, tiny, sizeof tiny, MSG_ERROR);
    wire_put_text(&writer, TAG_TEXT, "ab");
    CHECK(wire_finish(&writer, 0) == sizeof tiny && wire_open(&reader, tiny, sizeof tiny));
    CHECK(wire_finish(&writer, WIRE_MAX_FDS + 1) == 0);
    wire_start(&writer, tiny, 4, MSG_ERROR); // not even room for the header
    CHECK(wire_finish(&writer, 0) == 0);

    size_t most = WIRE_MAX_BYTES - WIRE_HEADER_BYTES - WIRE_FIELD_BYTES;
    wire_start(&writer, large, sizeof large, MSG_LOGIN);
    uint8_t *value = calloc(most + 1, 1);
    CHECK(value != NULL);
    wire_put(&writer, TAG_ARG, value, most);
    CHECK(wire_finish(&writer, 0) == WIRE_MAX_BYTES && wire_open(&reader, large, WIRE_MAX_BYTES));
    wire_put(&writer, TAG_ARG, value, 0);
    CHECK(wire_finish(&writer, 0) == 0); // full; and once too long, it stays refused
    wire_start(&writer, large, sizeof large, MSG_LOGIN);
    wire_put(&writer, TAG_ARG, value, most + 1);
    wire_put(&writer, TAG_ARG, value, 1);
    CHECK(wire_finish(&writer, 0) == 0);
    wire_start(&writer, large, sizeof large, MSG_LOGIN);
    wire_put(&writer, TAG_ARG, value, (size_t)UINT32_MAX + 9); // nothing of it is looked at
    CHECK(wire_finish(&writer, 0) == 0);
    free(value);
    CHECK(!wire_open(&reader, large, sizeof large));
}

static int open_count(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
}

// Sends a message with other descriptors than it declares; wire_send() would not.
static void send_raw(int socket, const void *bytes, size_t length, unsigned fd_count) {
    int fds[16];
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof fds)];
    } control;
    memset(&control, 0, sizeof control);
    for (unsigned index = 0; index < 16; index++)
        fds[index] = 0;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    CHECK(sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)length);
}

static void test_descriptors(void) {
    int pair[2], fds[WIRE_MAX_FDS];
    unsigned count = 99;
    uint8_t bytes[256], received[256];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == -1 && errno == EAGAIN);
    CHECK(count == 0);
    int before = open_count();
    static const int standard[] = {0, 1, 2};
    size_t length = sample(bytes, sizeof bytes, 3);
    CHECK(wire_send(pair[0], bytes, length, standard, 3) == 0);
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == (ssize_t)length && count == 3);
    CHECK(memcmp(bytes, received, length) == 0 && open_count() == before + 3);
    for (unsigned index = 0; index < count; index++) {
        CHECK(fcntl(fds[index], F_GETFD) == FD_CLOEXEC);
        close_fd(fds[index]);
    }
    CHECK(wire_send(pair[0], bytes, 0, NULL, 0) == -1 && errno == EMSGSIZE);
    CHECK(wire_send(pair[0], bytes, length, standard, WIRE_MAX_FDS + 1) == -1 && errno == EMSGSIZE);
    (void)close(pair[0]);
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == 0);
    CHECK(wire_send(pair[1], bytes, length, NULL, 0) == -1 && errno == EPIPE); // and no signal
    (void)close(pair[1]);
}

// Whoever has looked at a connection may have asked for the sender's credentials with every message.
static void test_credentials(void) {
    int pair[2], fds[WIRE_MAX_FDS], on = 1;
    unsigned count;
    uint8_t bytes[256], received[256];
    static const int most[WIRE_MAX_FDS] = {0, 1, 2};
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    size_t length = sample(bytes, sizeof bytes, WIRE_MAX_FDS);
    CHECK(wire_send(pair[0], bytes, length, most, WIRE_MAX_FDS) == 0);
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == (ssize_t)length);
    CHECK(count == WIRE_MAX_FDS);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

// Every way of sending descriptors that nobody asked for; none may stay open in the receiver.
static void test_unwanted_descriptors(void) {
    int pair[2], fds[WIRE_MAX_FDS];
    unsigned count;
    uint8_t bytes[256], received[256];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    size_t length = sample(bytes, sizeof bytes, 3);
    static const struct {
        size_t length;
        unsigned fd_count;
        size_t room;
    } cases[] = {{256, 2, 256},  {256, 4, 256}, {256, 0, 256}, {256, 8, 256}, {256, 9, 256},
                 {256, 16, 256}, {5, 3, 256},   {256, 3, 20},  {256, 3, 11}};
    int before = open_count();
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        size_t sent = cases[index].length < length ? cases[index].length : length;
        send_raw(pair[0], bytes, sent, cases[index].fd_count);
        CHECK(wire_receive(pair[1], received, cases[index].room, fds, &count) == -1 && errno == EBADMSG);
        CHECK(count == 0 && open_count() == before);
    }
    send_raw(pair[0], bytes, 0, 3); // an empty datagram, which reads like the end
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == 0);
    CHECK(count == 0 && open_count() == before);
    bytes[6] = WIRE_MAX_FDS; // as many as are declared arrive, and one more that there is no room for
    send_raw(pair[0], bytes, length, WIRE_MAX_FDS + 1);
    CHECK(wire_receive(pair[1], received, sizeof received, fds, &count) == -1 && errno == EBADMSG);
    CHECK(open_count() == before);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

// Whatever arrives, a message that opens can be read to its end inside its bounds.
static void test_damaged(void) {
    uint64_t random = 20261119;
    size_t opened = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t whole[256];
        size_t length = damage(&random, whole, sample(whole, sizeof whole, 3));
        if (length >= WIRE_HEADER_BYTES &&
            random_below(&random, 2) == 0) { // a header that fits: fields count
            uint32_t header[3] = {WIRE_MAGIC, MSG_LOGIN, (uint32_t)length - WIRE_HEADER_BYTES};
            memcpy(whole, header, sizeof header);
        }
        uint8_t *bytes = malloc(length + (length == 0)); // of exactly this size, for the sanitizer
        CHECK(bytes != NULL);
        memcpy(bytes, whole, length);
        struct wire_reader reader;
        struct wire_field field;
        if (wire_open(&reader, bytes, length)) {
            size_t total = WIRE_HEADER_BYTES;
            opened++;
            while (wire_next(&reader, &field)) {
                total += WIRE_FIELD_BYTES + field.length;
                cleanup_free char *text = wire_text(&field);
                CHECK(text == NULL || strlen(text) == field.length);
            }
            CHECK(total == length);
        }
        free(bytes);
    }
    CHECK(opened > 10000 && opened < 190000); // the damage is neither too much nor too little
}

int main(void) {
    test_layout();
    test_lists();
    test_round_trip();
    test_no_message_of_ours();
    test_limits();
    test_descriptors();
    test_credentials();
    test_unwanted_descriptors();
    test_damaged();
    (void)printf("wire_test: ok\n");
    return 0;
}
