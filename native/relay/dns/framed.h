// A message of the domain name system on a TCP connection that is never waited for: two bytes of length
// before it (RFC 1035, section 4.2.2).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct framed {
    uint8_t head[2];
    uint8_t *bytes; // of the message itself
    size_t length;  // of it
    size_t done;    // of head and message
};

enum framed_state { FRAMED_BROKEN = -1, FRAMED_MORE, FRAMED_WHOLE };

// Reads no byte behind the message. Broken: the other side has ended, or means to send more than `most`.
enum framed_state framed_read(int fd, struct framed *framed, size_t most);
// With a copy of the message. False: memory is short.
bool framed_begin(struct framed *framed, const uint8_t *bytes, size_t length);
enum framed_state framed_write(int fd, struct framed *framed);
void framed_clear(struct framed *framed);
