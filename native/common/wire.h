// The messages between client, daemon and supervisor: docs/protocol.md describes them field by
// field, src/lib/wire.ts is the other side. One message is one SOCK_SEQPACKET datagram: a
// header, then a list of fields. Every integer is little-endian (the host's own order: the socket
// never leaves the machine, and only little-endian machines are supported).
//
//   header  u32 magic+version, u16 type, u16 number of fds, u32 length of what follows
//   field   u32 tag, u32 length, then `length` bytes
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "wire/numbers.h"

#define WIRE_MAGIC 0x01485344u // "DSH" and version 1
#define WIRE_HEADER_BYTES 12
#define WIRE_FIELD_BYTES 8
// Below the default send buffer of a unix socket (212992), so that a message always fits, and above
// what one argument of execve() can hold (131072): no command that ssh can carry is too long.
#define WIRE_MAX_BYTES (196 * 1024)
#define WIRE_MAX_FDS 8

struct wire_writer {
    uint8_t *bytes;
    size_t size;
    size_t used;
    bool overflow;
};

// Starts a message in `bytes`; wire_finish() returns its length, or 0 where it did not fit.
void wire_start(struct wire_writer *writer, uint8_t *bytes, size_t size, enum wire_type type);
void wire_put(struct wire_writer *writer, enum wire_tag tag, const void *value, size_t length);
void wire_put_text(struct wire_writer *writer, enum wire_tag tag, const char *text);
void wire_put_u32(struct wire_writer *writer, enum wire_tag tag, uint32_t value);
void wire_put_u64(struct wire_writer *writer, enum wire_tag tag, uint64_t value);
size_t wire_finish(struct wire_writer *writer, unsigned fd_count);
// Makes a finished message one of another type, with the same fields.
void wire_retype(uint8_t *bytes, enum wire_type type);

struct wire_field {
    uint32_t tag;
    uint32_t length;
    const uint8_t *value;
};

struct wire_reader {
    uint16_t type;
    uint16_t fd_count;
    const uint8_t *at;
    const uint8_t *end;
};

// Checks the header and that the fields fill the message exactly. False: not a message of ours.
bool wire_open(struct wire_reader *reader, const uint8_t *bytes, size_t length);
// The header alone, for who goes through the fields anyway and then finds out whether `at` is `end`.
bool wire_open_header(struct wire_reader *reader, const uint8_t *bytes, size_t length);
// The next field, or false at the end.
bool wire_next(struct wire_reader *reader, struct wire_field *field);
// The value as a number; false where its length is another.
bool wire_u32(const struct wire_field *field, uint32_t *value);
bool wire_u64(const struct wire_field *field, uint64_t *value);
// The value as a list of numbers; false where it is none or has more than `most`.
bool wire_u32s(const struct wire_field *field, uint32_t *values, size_t most, size_t *count);
// A fresh NUL-terminated copy, or NULL where the value holds a NUL or memory is short.
char *wire_text(const struct wire_field *field);

// Sends one message with descriptors. Returns 0, or -1 with errno.
int wire_send(int socket, const uint8_t *bytes, size_t length, const int *fds, unsigned fd_count);

// Looks at the next message and leaves it where it is, descriptors included. As wire_receive.
ssize_t wire_peek(int socket, uint8_t *bytes, size_t size);

// Receives one message; the descriptors arrive close-on-exec. Returns its length, 0 at the peer's
// end, -1 with errno (EAGAIN where nothing is there; EBADMSG where the message was truncated or the
// descriptors are not as many as the header declares: all of them have been closed by then).
ssize_t wire_receive(int socket, uint8_t *bytes, size_t size, int *fds, unsigned *fd_count);
