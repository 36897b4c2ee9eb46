#include "keeper/record/record.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "cleanup.h"
#include "keeper/record/frames.h"

// Lines that are compressed at a time.
#define BATCH (128 * 1024)
#define LINES_SIZE (BATCH + CAST_GROWTH * RECORD_MOST + 4096)
#define FLUSH_NS 1000000000ull
#define RETRY_NS 1000000000ull

struct record {
    struct record_settings settings;
    struct cast_clock clock;
    struct cast_held held_output, held_input;
    uint16_t columns, rows;
    bool has_header;
    enum record_state state;
    uint64_t oldest_ns; // of the lines
    uint64_t tried_ns;
    size_t used;
    struct frames frames;
    char lines[LINES_SIZE];
};

// What is not touched takes no memory.
struct record *record_begin(const struct record_settings *settings, uint16_t columns, uint16_t rows) {
    struct record *record =
        mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (record == MAP_FAILED)
        return NULL;
    struct stat status;
    bool goes_on = fstat(settings->file, &status) == 0 && status.st_size > 0;
    if (!frames_begin(&record->frames, settings->file, goes_on ? (uint64_t)status.st_size : 0)) {
        (void)munmap(record, sizeof *record);
        return NULL;
    }
    uint64_t start_us = settings->started_ns / 1000;
    record->settings = *settings;
    record->clock =
        (struct cast_clock){.version = settings->version, .start_us = start_us, .last_us = start_us};
    record->columns = columns;
    record->rows = rows;
    record->has_header = goes_on;
    return record;
}

static void write_out(struct record *record, bool ends, uint64_t now_ns) {
    record->tried_ns = now_ns;
    if (!frames_add(&record->frames, record->lines, record->used, ends)) {
        record->state = RECORD_BROKEN;
        return;
    }
    record->used = 0;
    int failure = frames_write(&record->frames);
    if (failure == 0)
        record->state =
            record->frames.written < record->settings.most_bytes ? RECORD_GOES_ON : RECORD_AT_LIMIT;
    else
        record->state = failure == ENOSPC || failure == EDQUOT ? RECORD_FULL : RECORD_BROKEN;
}

// The first line waits for the first event, which the window's size comes before.
static void begin_line(struct record *record, uint64_t now_ns) {
    if (record->used == 0)
        record->oldest_ns = now_ns;
    if (record->has_header)
        return;
    const struct record_settings *settings = &record->settings;
    const struct cast_header header = {
        .version = settings->version,
        // A terminal that was never told its size has none.
        .columns = record->columns > 0 ? record->columns : 80,
        .rows = record->rows > 0 ? record->rows : 24,
        .unix_seconds = settings->started_unix_s,
        .term = settings->term,
        .title = settings->title,
    };
    record->used += cast_header(&header, record->lines + record->used);
    record->has_header = true;
}

static void event(struct record *record, char kind, struct cast_held *held, const uint8_t *bytes,
                  size_t length, uint64_t now_ns) {
    begin_line(record, now_ns);
    char *out = record->lines + record->used;
    out += cast_event_begin(&record->clock, kind, now_ns / 1000, out);
    out += cast_text(held, bytes, length, out);
    out += cast_event_end(out);
    record->used = (size_t)(out - record->lines);
    if (record->used >= BATCH)
        write_out(record, false, now_ns);
}

void record_output(struct record *record, const uint8_t *bytes, size_t length, uint64_t now_ns) {
    if (record->state == RECORD_GOES_ON && length > 0 && length <= RECORD_MOST)
        event(record, 'o', &record->held_output, bytes, length, now_ns);
}

// Where the terminal can't be asked, nothing is recorded either.
bool record_is_secret(const struct record *record) {
    struct termios termios;
    return tcgetattr(record->settings.terminal, &termios) != 0 ||
           ((termios.c_lflag & ECHO) == 0 && (termios.c_lflag & ICANON) != 0);
}

void record_input(struct record *record, const uint8_t *bytes, size_t length, bool was_secret,
                  uint64_t now_ns) {
    if (!record->settings.input || record->state != RECORD_GOES_ON || length == 0 || length > RECORD_MOST)
        return;
    if (was_secret || record_is_secret(record)) {
        record->held_input.count = 0;
        return;
    }
    event(record, 'i', &record->held_input, bytes, length, now_ns);
}

static char *put_size(char *out, unsigned number) {
    char digits[5];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

void record_resize(struct record *record, uint16_t columns, uint16_t rows, uint64_t now_ns) {
    if (record->columns == columns && record->rows == rows)
        return;
    record->columns = columns;
    record->rows = rows;
    if (!record->has_header || record->state != RECORD_GOES_ON)
        return;
    char text[16], *end = put_size(text, columns);
    *end++ = 'x';
    end = put_size(end, rows);
    struct cast_held held = {0};
    event(record, 'r', &held, (const uint8_t *)text, (size_t)(end - text), now_ns);
}

bool record_waits(const struct record *record) {
    return record->state == RECORD_FULL || (record->state == RECORD_GOES_ON && record->used > 0);
}

uint64_t record_due_ns(const struct record *record) {
    return record->state == RECORD_FULL ? record->tried_ns + RETRY_NS : record->oldest_ns + FLUSH_NS;
}

void record_tick(struct record *record, uint64_t now_ns) {
    if (record_waits(record) && now_ns >= record_due_ns(record))
        write_out(record, false, now_ns);
}

enum record_state record_state(const struct record *record) {
    return record->state;
}

// Whoever records no more has told the user, and what is left is little: it goes where there is room.
void record_end(struct record *record, int status, uint64_t now_ns) {
    bool can_write = record->state != RECORD_BROKEN;
    struct cast_held none = {0};
    if (can_write) {
        begin_line(record, now_ns);
        if (record->held_output.count > 0) {
            char *out = record->lines + record->used;
            out += cast_event_begin(&record->clock, 'o', now_ns / 1000, out);
            out += cast_text_end(&record->held_output, out);
            out += cast_event_end(out);
            record->used = (size_t)(out - record->lines);
        }
        if (record->settings.version == CAST_3 && status >= 0) {
            char text[8];
            size_t length = (size_t)(put_size(text, (unsigned)status & 0xffff) - text);
            event(record, 'x', &none, (const uint8_t *)text, length, now_ns);
        }
        write_out(record, true, now_ns);
    }
    close_fd(record->settings.file);
    frames_end(&record->frames);
    (void)munmap(record, sizeof *record);
}
