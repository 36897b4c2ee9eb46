#include "keys/blob.h"

#include <string.h>

static bool has(struct blob_reader *reader, size_t length) {
    if (!reader->bad && (size_t)(reader->end - reader->at) >= length)
        return true;
    reader->bad = true;
    reader->at = reader->end;
    return false;
}

uint8_t blob_u8(struct blob_reader *reader) {
    return has(reader, 1) ? *reader->at++ : 0;
}

uint32_t blob_u32(struct blob_reader *reader) {
    if (!has(reader, 4))
        return 0;
    const uint8_t *at = reader->at;
    reader->at += 4;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t blob_u64(struct blob_reader *reader) {
    uint64_t high = blob_u32(reader);
    return high << 32 | blob_u32(reader);
}

struct bytes blob_take(struct blob_reader *reader, size_t length) {
    struct bytes taken = {.at = reader->end, .length = 0};
    if (!has(reader, length))
        return taken;
    taken = (struct bytes){.at = reader->at, .length = length};
    reader->at += length;
    return taken;
}

struct bytes blob_string(struct blob_reader *reader) {
    return blob_take(reader, blob_u32(reader));
}

struct bytes blob_mpint(struct blob_reader *reader) {
    struct bytes number = blob_string(reader);
    if (number.length > 0 && (number.at[0] & 0x80) != 0) { // negative
        reader->bad = true;
        return (struct bytes){.at = reader->end, .length = 0};
    }
    while (number.length > 0 && number.at[0] == 0) {
        number.at++;
        number.length--;
    }
    return number;
}

bool bytes_equal(struct bytes one, struct bytes other) {
    return one.length == other.length && (one.length == 0 || memcmp(one.at, other.at, one.length) == 0);
}

bool bytes_are(struct bytes bytes, const char *text) {
    return bytes_equal(bytes, (struct bytes){.at = (const uint8_t *)text, .length = strlen(text)});
}

void blob_put(struct blob_writer *writer, const void *bytes, size_t length) {
    if (writer->overflow || writer->size - writer->used < length) {
        writer->overflow = true;
        return;
    }
    if (length > 0)
        memcpy(writer->bytes + writer->used, bytes, length);
    writer->used += length;
}

void blob_put_u32(struct blob_writer *writer, uint32_t value) {
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    blob_put(writer, bytes, sizeof bytes);
}

void blob_put_string(struct blob_writer *writer, const void *bytes, size_t length) {
    blob_put_u32(writer, (uint32_t)length);
    blob_put(writer, bytes, length);
}

void blob_put_text(struct blob_writer *writer, const char *text) {
    blob_put_string(writer, text, strlen(text));
}

void blob_put_mpint(struct blob_writer *writer, const uint8_t *bytes, size_t length) {
    while (length > 0 && bytes[0] == 0) {
        bytes++;
        length--;
    }
    bool sign = length > 0 && (bytes[0] & 0x80) != 0;
    blob_put_u32(writer, (uint32_t)(length + sign));
    if (sign)
        blob_put(writer, "", 1);
    blob_put(writer, bytes, length);
}
