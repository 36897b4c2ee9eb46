// Fuzzes /proc/PID/stat, where the name of a program is its user's: no name changes what is read behind it.

#include "../../supervisor/cgroup/group.c"

#include "fuzz.h"

// The name has at most 15 bytes (TASK_COMM_LEN), whatever they are.
static void with_name(const uint8_t *bytes, size_t length) {
    char text[1024], name[16] = "";
    size_t used = length < 15 ? length : 15;
    memcpy(name, bytes, used);
    name[strnlen(name, 15)] = '\0';
    (void)snprintf(text, sizeof text,
                   "77 (%s) S 1 77 76 34816 77 4194560 1 0 0 0 0 0 0 0 20 0 1 0 5 0 0 "
                   "18446744073709551615 1 1 0 0 0 256 0 0 0 0 0 17 1 0 0",
                   name);
    struct stat_fields fields = parse_stat(text);
    REQUIRE(fields.session == 76 && fields.terminal == 34816 && fields.ending && !fields.dead);
    REQUIRE(strcmp(fields.name, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char *text = fuzz_text(bytes, length);
    (void)parse_stat(text);
    free(text);
    with_name(bytes, length);
    return 0;
}
