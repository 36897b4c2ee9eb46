// Fuzzes the input of a session's own process: the message with arguments, variables and limits, and the
// names that it prints on the user's terminal, which are an image's.

#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

// Seen here: what would change this process, and what would be written.
static uint8_t written[8192];
static size_t written_length;
static int fuzz_setrlimit(int resource, const struct rlimit *limit);
static ssize_t fuzz_write(int fd, const void *bytes, size_t length);
#define setrlimit(resource, limit) fuzz_setrlimit((int)(resource), limit)
#define write fuzz_write
#include "../../supervisor/session/child.c"
#undef write
#undef setrlimit

#include "fuzz.h"

static int fuzz_setrlimit(int resource, const struct rlimit *limit) {
    struct rlimit current;
    REQUIRE(getrlimit(resource, &current) == 0); // a resource that there is
    REQUIRE(limit->rlim_cur <= limit->rlim_max && limit->rlim_max <= current.rlim_max);
    return 0;
}

static ssize_t fuzz_write(int fd, const void *bytes, size_t length) {
    (void)fd;
    REQUIRE(length <= sizeof written);
    memcpy(written, bytes, length);
    written_length = length;
    return (ssize_t)length;
}

static void clear(struct plan *plan) {
    for (size_t index = 0; index < plan->argument_count; index++)
        free(plan->arguments[index]);
    for (size_t index = 0; index < plan->environment_count; index++)
        free(plan->environment[index]);
    free(plan->banner);
    free(plan->program);
    free(plan->folder);
    memset(plan, 0, sizeof *plan);
}

// Neither a control character of ASCII nor one of Latin-1 in UTF-8 reaches a terminal.
static void check_notice(const char *object) {
    notice(object, "what");
    REQUIRE(written_length > 0 && written[written_length - 1] == '\n');
    for (size_t at = 0; at + 1 < written_length; at++) {
        REQUIRE(written[at] >= ' ' && written[at] != 0x7f);
        REQUIRE(!(written[at] == 0xc2 && (written[at + 1] & 0xe0) == 0x80));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct plan plan;
    struct wire_reader reader;
    struct wire_field field;
    cleanup_free char *object = fuzz_text(bytes, length);
    check_notice(object);
    if (!wire_open(&reader, bytes, length))
        return 0;
    // What is said twice is leaked: the process that reads this is about to become another program.
    bool said[256] = {false}, whole = true;
    while (wire_next(&reader, &field)) {
        bool once = field.tag == TAG_SHELL || field.tag == TAG_CWD || field.tag == TAG_BANNER;
        if (once && said[field.tag])
            break;
        if (once)
            said[field.tag] = true;
        whole = read_field(&plan, &field);
        if (!whole)
            break;
        REQUIRE(plan.argument_count <= MAX_STRINGS && plan.environment_count <= MAX_STRINGS);
        REQUIRE(plan.group_count <= MAX_GROUPS);
    }
    if (whole)
        (void)variable_of(plan.environment, "HOME=");
    if (plan.program != NULL)
        REQUIRE(strlen(named(plan.program, true)) <= NAME_MAX + 1);
    clear(&plan);
    return 0;
}
