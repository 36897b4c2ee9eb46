#include "keeper/record/frames.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What a terminal shows repeats itself at short distances, and every recorded session pays for its own
// window.
static const ZSTD_compressionParameters parameters = {.windowLog = 17,
                                                      .chainLog = 6,
                                                      .hashLog = 13,
                                                      .searchLog = 1,
                                                      .minMatch = 6,
                                                      .targetLength = 1,
                                                      .strategy = ZSTD_fast};

// Room for one batch of lines that can't be compressed, twice.
#define OUT_SIZE (2 * (size_t)640 * 1024)

bool frames_begin(struct frames *frames, int file, uint64_t written) {
    size_t context_size = ZSTD_estimateCStreamSize_usingCParams(parameters);
    *frames = (struct frames){.file = file, .written = written, .is_cut = written > 0, .out_size = OUT_SIZE};
    frames->memory_size = context_size + OUT_SIZE;
    frames->memory =
        mmap(NULL, frames->memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (frames->memory == MAP_FAILED)
        return false;
    frames->out = (uint8_t *)frames->memory + context_size;
    frames->context = ZSTD_initStaticCStream(frames->memory, context_size);
    if (frames->context != NULL && !ZSTD_isError(ZSTD_CCtx_setCParams(frames->context, parameters)))
        return true;
    frames_end(frames);
    return false;
}

// An empty last block (RFC 8878, 3.1.1.2), so that another frame can follow.
static void end_cut_frame(struct frames *frames) {
    static const uint8_t block[] = {1, 0, 0};
    memcpy(frames->out + frames->end, block, sizeof block);
    frames->end += sizeof block;
    frames->is_cut = false;
}

bool frames_add(struct frames *frames, const char *text, size_t length, bool ends_frame) {
    if (frames->end + ZSTD_compressBound(length) + 64 > frames->out_size)
        return false;
    if (frames->is_cut)
        end_cut_frame(frames);
    ZSTD_inBuffer in = {.src = text, .size = length};
    ZSTD_outBuffer out = {.dst = frames->out, .size = frames->out_size, .pos = frames->end};
    size_t left;
    do {
        left = ZSTD_compressStream2(frames->context, &out, &in, ends_frame ? ZSTD_e_end : ZSTD_e_flush);
        if (ZSTD_isError(left))
            return false;
    } while (left > 0 && out.pos < out.size);
    frames->end = out.pos;
    return left == 0;
}

int frames_write(struct frames *frames) {
    while (frames->begin < frames->end) {
        ssize_t count = write(frames->file, frames->out + frames->begin, frames->end - frames->begin);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? errno : EIO;
        frames->begin += (size_t)count;
        frames->written += (uint64_t)count;
    }
    frames->begin = frames->end = 0;
    return 0;
}

void frames_end(struct frames *frames) {
    if (frames->memory != NULL)
        (void)munmap(frames->memory, frames->memory_size);
    frames->memory = NULL;
}
