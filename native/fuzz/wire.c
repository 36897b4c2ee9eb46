// Fuzzes messages: one that is taken apart and put together again is the same bytes.

#include <errno.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "fuzz.h"
#include "wire.h"

static void read_field(const struct wire_field *field) {
    uint32_t number, numbers[8];
    uint64_t large;
    size_t count = 0;
    REQUIRE(wire_u32(field, &number) == (field->length == 4));
    REQUIRE(wire_u64(field, &large) == (field->length == 8));
    if (wire_u32s(field, numbers, 8, &count))
        REQUIRE(count <= 8 && count * 4 == field->length);
    cleanup_free char *text = wire_text(field);
    if (text != NULL)
        REQUIRE(strlen(text) == field->length && memcmp(text, field->value, field->length) == 0);
}

static void round_trip(struct wire_reader reader, const uint8_t *bytes, size_t length) {
    cleanup_free uint8_t *again = malloc(length);
    struct wire_writer writer;
    struct wire_field field;
    wire_start(&writer, again, length, (enum wire_type)reader.type);
    while (wire_next(&reader, &field)) {
        read_field(&field);
        wire_put(&writer, (enum wire_tag)field.tag, field.value, field.length);
    }
    REQUIRE(wire_finish(&writer, reader.fd_count) == length && memcmp(again, bytes, length) == 0);
}

// With as many descriptors as the first byte says: none of them may stay open.
static void receive(const uint8_t *bytes, size_t length) {
    int pair[2], sent[WIRE_MAX_FDS], fds[WIRE_MAX_FDS];
    unsigned count, passed = bytes[0] % (WIRE_MAX_FDS + 1);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        abort();
    int free_fd = fuzz_free_fd();
    for (unsigned index = 0; index < passed; index++)
        sent[index] = pair[0];
    uint8_t received[4096];
    if (length > 1 && wire_send(pair[0], bytes + 1, length - 1, sent, passed) == 0) {
        ssize_t looked = wire_peek(pair[1], received, sizeof received);
        ssize_t got = wire_receive(pair[1], received, sizeof received, fds, &count);
        REQUIRE(got < 0 ||
                (looked == got && count == passed && memcmp(received, bytes + 1, (size_t)got) == 0));
        for (unsigned index = 0; got > 0 && index < count; index++)
            REQUIRE(close(fds[index]) == 0);
    }
    REQUIRE(fuzz_free_fd() == free_fd);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    if (wire_open(&reader, bytes, length))
        round_trip(reader, bytes, length);
    if (length > 0)
        receive(bytes, length);
    return 0;
}
