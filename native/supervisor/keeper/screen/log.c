#include "keeper/screen/log.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (1024 * 1024)
#define LONG_BYTES (MOST_BYTES / 2 - 64 * 1024)
#define KEPT_BYTES (MOST_BYTES / 2) // of one that has been cut
// Less than this in such a time is no flood.
#define CALM_NS 1000000000u
#define CALM_BYTES (64 * 1024)
#define LOOK_BYTES 4096 // for the end of a line to cut at

static uint32_t u32_at(const uint8_t *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void put_header(uint8_t *at, char type, uint32_t length) {
    at[0] = (uint8_t)type;
    memcpy(at + 1, &length, sizeof length);
}

static size_t frame_end(const struct log *log, size_t at) {
    return at + LOG_FRAME_HEADER + u32_at(log->bytes + at + 1);
}

// Where in a frame of output to go on: behind the end of a line, because most sequences are within one.
static size_t line_from(const struct log *log, size_t from, size_t end) {
    size_t look = end - from < LOOK_BYTES ? end - from : LOOK_BYTES;
    const uint8_t *found = memchr(log->bytes + from, '\n', look);
    return found != NULL ? (size_t)(found - log->bytes) + 1 : from;
}

// Forgets the oldest. The size that the terminal had then is kept.
static void cut(struct log *log) {
    uint8_t size[LOG_FRAME_HEADER + 4];
    bool has_size = false;
    size_t from = 0, end = 0;
    while (from < log->length && log->length - (end = frame_end(log, from)) >= KEPT_BYTES) {
        if (log->bytes[from] == 'r') {
            memcpy(size, log->bytes + from, sizeof size);
            has_size = true;
        }
        from = end;
    }
    log->in_doubt = true;
    log->last = SIZE_MAX;
    if (from < log->length && log->bytes[from] == 'o' && log->length - from > KEPT_BYTES + LOG_FRAME_HEADER) {
        end = frame_end(log, from);
        size_t begin = line_from(log, log->length - KEPT_BYTES, end);
        from = begin - LOG_FRAME_HEADER;
        put_header(log->bytes + from, 'o', (uint32_t)(end - begin));
    }
    size_t front = has_size ? sizeof size : 0;
    if (front > from) // nothing has been forgotten
        return;
    memmove(log->bytes + front, log->bytes + from, log->length - from);
    if (has_size)
        memcpy(log->bytes, size, sizeof size);
    log->length = front + log->length - from;
}

static bool has_room(struct log *log, size_t more) {
    if (log->length + more > MOST_BYTES && !log->is_told)
        cut(log);
    if (log->length + more <= log->room)
        return true;
    size_t room = log->room == 0 ? 64 * 1024 : log->room;
    while (room < log->length + more)
        room *= 2;
    uint8_t *larger = realloc(log->bytes, room);
    if (larger == NULL) {
        log->in_doubt = true;
        return false;
    }
    log->bytes = larger;
    log->room = room;
    return true;
}

void log_output(struct log *log, const char *bytes, size_t length) {
    if (!has_room(log, length + LOG_FRAME_HEADER))
        return;
    if (log->last == SIZE_MAX || log->is_told) {
        log->last = log->length;
        put_header(log->bytes + log->length, 'o', 0);
        log->length += LOG_FRAME_HEADER;
    }
    memcpy(log->bytes + log->length, bytes, length);
    log->length += length;
    uint8_t *header = log->bytes + log->last;
    put_header(header, 'o', u32_at(header + 1) + (uint32_t)length);
}

void log_size(struct log *log, const struct winsize *size) {
    if (!has_room(log, LOG_FRAME_HEADER + 4))
        return;
    uint8_t *at = log->bytes + log->length;
    put_header(at, 'r', 4);
    memcpy(at + LOG_FRAME_HEADER, &size->ws_col, 2);
    memcpy(at + LOG_FRAME_HEADER + 2, &size->ws_row, 2);
    log->length += LOG_FRAME_HEADER + 4;
    log->last = SIZE_MAX;
}

// A flood is no time for a checkpoint: most of what it shows is gone in a moment, and the terminal would
// wait.
static bool is_calm(size_t length, uint64_t now) {
    static uint64_t since_ns;
    static size_t bytes, before;
    if (now - since_ns >= CALM_NS) {
        before = now - since_ns < 2 * CALM_NS ? bytes : 0;
        bytes = 0;
        since_ns = now;
    }
    bytes += length;
    return bytes < CALM_BYTES && before < CALM_BYTES;
}

bool log_is_due(const struct log *log, size_t length, uint64_t now_ns) {
    return is_calm(length, now_ns) && log->length > LONG_BYTES;
}

bool log_is_full(const struct log *log) {
    return log->length > MOST_BYTES;
}

void log_drop(struct log *log, size_t count) {
    memmove(log->bytes, log->bytes + count, log->length - count);
    log->length -= count;
    log->last = SIZE_MAX;
    log->is_told = false;
}

void log_clear(struct log *log) {
    log->length = 0;
    log->last = SIZE_MAX;
    log->is_told = false;
}
