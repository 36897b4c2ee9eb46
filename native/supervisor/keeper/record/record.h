// Records one terminal session, in the process that has its terminal (../keeper.h): an asciicast in frames of
// zstd, into a file that the daemon has opened. What is recorded is in the file a second later, whatever
// becomes of this process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper/record/cast.h"

// As many bytes of output or input as one call takes.
#define RECORD_MOST (64 * 1024)

struct record_settings {
    int file;     // open for appending; closed by record_end()
    int terminal; // the PTY's master, to ask whether it echoes; borrowed
    enum cast_version version;
    bool input;              // what is typed is recorded too, but never while the terminal does not echo it
    uint64_t most_bytes;     // of the file
    uint64_t started_ns;     // when the session began, by the clock of `now_ns`
    uint64_t started_unix_s; // the same as a date
    char term[64], title[200];
};

enum record_state {
    RECORD_GOES_ON,
    RECORD_FULL, // there is no room on the disk: it is tried again by record_tick(); until then nothing is
                 // taken
    RECORD_AT_LIMIT, // the file is as large as it may be: nothing is taken any more
    RECORD_BROKEN,   // the file can't be written to: likewise
};

struct record;

// Goes on behind what an earlier process has left in the file, where that is not empty. NULL: no memory.
struct record *record_begin(const struct record_settings *settings, uint16_t columns, uint16_t rows);

// Each only while the recording goes on; what was given before it ceased to is not lost, but written when
// there is room.
void record_output(struct record *record, const uint8_t *bytes, size_t length, uint64_t now_ns);
// Whether the terminal puts lines together and does not show them, as when somebody asks for a password.
bool record_is_secret(const struct record *record);
// What is typed then is not recorded; `was_secret`: just before it reached the terminal.
void record_input(struct record *record, const uint8_t *bytes, size_t length, bool was_secret,
                  uint64_t now_ns);
void record_resize(struct record *record, uint16_t columns, uint16_t rows, uint64_t now_ns);

// Writes what is due; while record_waits(), there is something at record_due_ns().
void record_tick(struct record *record, uint64_t now_ns);
bool record_waits(const struct record *record);
uint64_t record_due_ns(const struct record *record);

enum record_state record_state(const struct record *record);

// `status`: of the session's end; negative where it goes on without being recorded.
void record_end(struct record *record, int status, uint64_t now_ns);
