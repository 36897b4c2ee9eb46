// Shared by the fuzzing harnesses: one file each, one parser each. libFuzzer calls LLVMFuzzerTestOneInput
// with bytes of its own making, and a parser has failed where a sanitizer or REQUIRE says so. `make fuzz`
// builds them, script/fuzz runs them.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition);              \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

// A copy that ends in NUL, of exactly the size it needs, so that a read behind it is seen.
static inline char *fuzz_text(const uint8_t *bytes, size_t length) {
    size_t used = strnlen((const char *)bytes, length);
    char *text = malloc(used + 1);
    if (text == NULL)
        abort();
    memcpy(text, bytes, used);
    text[used] = '\0';
    return text;
}

// The lowest number that no descriptor has: the same before and after, where none was left open.
static inline int fuzz_free_fd(void) {
    int fd = dup(2);
    (void)close(fd);
    return fd;
}
