// A request of the connection process: a message, of which the handler takes what it needs. Whoever has sent
// it may be a stranger by now.
#pragma once

#include "keys/blob.h"
#include "wire.h"

struct asked {
    uint16_t type;
    uint32_t slot;
    struct wire_reader fields;
};

// False: no message, descriptors with it, or no SLOT.
bool asked_open(struct asked *asked, const uint8_t *bytes, size_t length, unsigned fd_count);
// The last one of that tag. False: there is none.
bool asked_field(const struct asked *asked, enum wire_tag tag, struct wire_field *field);
bool asked_u32(const struct asked *asked, enum wire_tag tag, uint32_t *value);
// Empty where there is none.
struct bytes asked_bytes(const struct asked *asked, enum wire_tag tag);
// A fresh copy of a text; NULL: there is none, it is longer than `most`, or it has a NUL.
char *asked_text(const struct asked *asked, enum wire_tag tag, size_t most);
// Whether the text is this one.
bool asked_says(const struct asked *asked, enum wire_tag tag, const char *text);
