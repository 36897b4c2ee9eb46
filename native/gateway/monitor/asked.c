#include "monitor/asked.h"

bool asked_field(const struct asked *asked, enum wire_tag tag, struct wire_field *found) {
    struct wire_reader reader = asked->fields;
    struct wire_field field;
    bool any = false;
    while (wire_next(&reader, &field)) {
        if (field.tag != tag)
            continue;
        *found = field;
        any = true;
    }
    return any;
}

bool asked_u32(const struct asked *asked, enum wire_tag tag, uint32_t *value) {
    struct wire_field field;
    return asked_field(asked, tag, &field) && wire_u32(&field, value);
}

struct bytes asked_bytes(const struct asked *asked, enum wire_tag tag) {
    struct wire_field field;
    if (!asked_field(asked, tag, &field))
        return (struct bytes){.at = (const uint8_t *)"", .length = 0};
    return (struct bytes){.at = field.value, .length = field.length};
}

char *asked_text(const struct asked *asked, enum wire_tag tag, size_t most) {
    struct wire_field field;
    if (!asked_field(asked, tag, &field) || field.length > most)
        return NULL;
    return wire_text(&field);
}

bool asked_says(const struct asked *asked, enum wire_tag tag, const char *text) {
    return bytes_are(asked_bytes(asked, tag), text);
}

bool asked_open(struct asked *asked, const uint8_t *bytes, size_t length, unsigned fd_count) {
    *asked = (struct asked){0};
    if (fd_count != 0 || !wire_open(&asked->fields, bytes, length))
        return false;
    asked->type = asked->fields.type;
    return asked_u32(asked, TAG_SLOT, &asked->slot);
}
