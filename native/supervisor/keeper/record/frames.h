// Compresses into frames of zstd and writes them behind what a file has. Each time all that was added can be
// read again, though the frame goes on: what ends there, because its writer was killed, lacks nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

struct frames {
    int file;         // borrowed
    uint64_t written; // of the file
    bool is_cut;      // behind a frame that another process began
    ZSTD_CCtx *context;
    void *memory;
    size_t memory_size;
    uint8_t *out; // what is to be written: from `begin` to `end`
    size_t out_size, begin, end;
};

// `written`: what the file has. False: no memory.
bool frames_begin(struct frames *frames, int file, uint64_t written);
// False: there was no room for it, because the disk has been full for too long.
bool frames_add(struct frames *frames, const char *text, size_t length, bool ends_frame);
// As much as the disk takes: 0, or errno. What is not written stays for the next time.
int frames_write(struct frames *frames);
void frames_end(struct frames *frames);
