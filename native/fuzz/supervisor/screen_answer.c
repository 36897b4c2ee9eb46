// Reads what a screen answers to the keeper, piece by piece; and adds to the log that a screen is told of.
#include <sys/socket.h>

#include "fuzz.h"
#include "keeper/screen/answer.h"
#include "keeper/screen/log.h"

static void hear(const uint8_t *bytes, size_t length) {
    struct answer answer = {0};
    int pair[2], got;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    (void)!send(pair[0], bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(pair[0], SHUT_WR);
    while ((got = answer_read(&answer, pair[1])) > 0) {
        REQUIRE(answer.done == answer.length);
        answer_forget(&answer);
    }
    REQUIRE(got == -1); // its end
    answer_forget(&answer);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

// Whole frames, whatever is added and cut.
static void check(const struct log *log) {
    size_t at = 0;
    while (at < log->length) {
        uint32_t length;
        REQUIRE(log->length - at >= LOG_FRAME_HEADER);
        REQUIRE(log->bytes[at] == 'o' || log->bytes[at] == 'r');
        memcpy(&length, log->bytes + at + 1, sizeof length);
        REQUIRE(length <= log->length - at - LOG_FRAME_HEADER);
        at += LOG_FRAME_HEADER + length;
    }
}

static void remember(const uint8_t *bytes, size_t length) {
    static char output[64 * 1024];
    struct log log = {.last = SIZE_MAX};
    for (size_t index = 0; index + 1 < length; index++) {
        const struct winsize size = {.ws_col = bytes[index], .ws_row = bytes[index + 1]};
        size_t many = (size_t)bytes[index] * 257;
        if (bytes[index] % 5 == 0)
            log_size(&log, &size);
        memset(output, bytes[index + 1], many);
        log_output(&log, output, many);
        check(&log);
        REQUIRE(log.length <= 1024 * 1024);
    }
    free(log.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    hear(bytes, length);
    remember(bytes, length < 200 ? length : 200);
    return 0;
}
