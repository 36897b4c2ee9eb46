// Tests of the variables that the login client sends. A unit test of src/shell/environment.ts checks that the
// daemon's lists are the same.

#include "environ.h"

#include <limits.h>
#include <string.h>

#include "check.h"

static void test_always(void) {
    static const char *const good[] = {"TERM=xterm",       "TERM=",    "LANG=C.UTF-8",
                                       "LC_ALL=C",         "LC_X=a=b", "SSH_CONNECTION=::1 5 ::1 22",
                                       "GIT_PROTOCOL=v=2", "TZ=UTC",   "SSH_ORIGINAL_COMMAND=id; true"};
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++)
        CHECK(environ_want(good[index]) == ENVIRON_ALWAYS);
}

static void test_spare(void) {
    // What a loader, a shell or an interpreter obeys, and names that only begin or end like good ones.
    static const char *const spare[] = {"LD_PRELOAD=/x",
                                        "BASH_ENV=/x",
                                        "ENV=/x",
                                        "NODE_OPTIONS=--require=/x",
                                        "PATH=/x",
                                        "HOME=/x",
                                        "XDG_RUNTIME_DIR=/run/user/0",
                                        "TERMINFO=/x",
                                        "XTERM=x",
                                        "term=xterm",
                                        "_=x"};
    for (size_t index = 0; index < sizeof spare / sizeof spare[0]; index++)
        CHECK(environ_want(spare[index]) == ENVIRON_SPARE);
    CHECK(environ_want("SSH_AUTH_SOCK=/tmp/agent") == ENVIRON_JOINED);
    CHECK(environ_want("DISPLAY=:0") == ENVIRON_JOINED && environ_want("XAUTHORITY=") == ENVIRON_JOINED);
}

static void test_never(void) {
    static const char *const bad[] = {
        "TERM", "LC_ALL", "LC_",  "LC_A-B=x", "LC_A B=x",           " TERM=x", "=TERM=x",
        "=",    "",       "1A=x", "A.B=x",    "BASH_FUNC_f%%=() {", "\xc3=x"};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(environ_want(bad[index]) == ENVIRON_NEVER);
}

// How many variables are written into a message of this size, and whether the first is `first`.
static unsigned written(char *const *variables, bool all, size_t size, const char *first) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    struct wire_writer writer;
    struct wire_reader reader;
    struct wire_field field;
    unsigned count = 0;
    wire_start(&writer, bytes, size, MSG_LOGIN);
    environ_write(&writer, variables, all);
    size_t length = wire_finish(&writer, 0);
    if (length == 0)
        return UINT_MAX;
    CHECK(wire_open(&reader, bytes, length));
    while (wire_next(&reader, &field))
        if (count++ == 0 && first != NULL)
            CHECK(field.length == strlen(first) && memcmp(field.value, first, field.length) == 0);
    return count;
}

static void test_order(void) {
    char *const some[] = {(char[]){"A=1"}, (char[]){"DISPLAY=:0"}, (char[]){"no name"}, (char[]){"LANG=C"},
                          NULL};
    CHECK(written(some, true, 4096, "LANG=C") == 3);
    CHECK(written(some, false, 4096, "LANG=C") == 1);
    // The header, LANG and DISPLAY; then no room even for that.
    CHECK(written(some, true, WIRE_HEADER_BYTES + 8 + 6 + 8 + 10, "LANG=C") == 2);
    CHECK(written(some, true, WIRE_HEADER_BYTES + 8 + 6, "LANG=C") == 1);
    CHECK(written(some, true, WIRE_HEADER_BYTES + 8 + 5, NULL) == UINT_MAX);
}

static void test_room(void) {
    char lang[] = "LANG=C", other[] = "A=x";
    static char large[ENVIRON_SPARE_BYTES + 16] = "LARGE=", *many[2000];
    (void)memset(large + 6, 'x', sizeof large - 7);
    char *const two[] = {large, (char[]){"SMALL=x"}, NULL};
    CHECK(written(two, true, WIRE_MAX_BYTES, "SMALL=x") == 1);
    for (size_t index = 0; index + 1 < sizeof many / sizeof many[0]; index++)
        many[index] = index == 1000 ? lang : other;
    CHECK(written(many, true, WIRE_MAX_BYTES, "LANG=C") == 512);
    CHECK(environ_bytes(two) == 0 && environ_bytes(many) == 8 + 6);
}

int main(void) {
    test_always();
    test_spare();
    test_never();
    test_order();
    test_room();
    (void)printf("environ_test: ok\n");
    return 0;
}
