// Tests of what a view is made of, as the daemon says it: nothing in it can be more than one line, or lead
// elsewhere.
#include <string.h>

#include "check.h"
#include "connection/parts.h"

#define LINE "ada:x:1000:1000:Ada L:/home/ada:/usr/bin/dockersh"

static uint8_t bytes[64 * 1024];

static void begin(struct wire_writer *writer, const char *account, const char *run) {
    wire_start(writer, bytes, sizeof bytes, MSG_CONNECTION);
    if (account != NULL)
        wire_put_text(writer, TAG_ACCOUNT, account);
    wire_put_text(writer, TAG_HOME_INSIDE, "/home/ada");
    wire_put_text(writer, TAG_CLIENT_FOLDER, "/usr/bin");
    if (run != NULL)
        wire_put_text(writer, TAG_RUN, run);
}

static bool is_taken(struct wire_writer *writer, struct parts *parts) {
    struct wire_reader reader;
    CHECK(wire_open(&reader, bytes, wire_finish(writer, 0)));
    return parts_read(parts, reader) == 0;
}

static bool takes(const char *account, const char *run) {
    struct wire_writer writer;
    struct parts parts = {0};
    begin(&writer, account, run);
    bool taken = is_taken(&writer, &parts);
    parts_free(&parts);
    return taken;
}

static bool takes_group(const char *group, size_t times) {
    struct wire_writer writer;
    struct parts parts = {0};
    begin(&writer, LINE, "/run/dockersh");
    for (size_t index = 0; index < times; index++)
        wire_put_text(&writer, TAG_ACCOUNT_GROUP, group);
    bool taken = is_taken(&writer, &parts);
    parts_free(&parts);
    return taken;
}

static void test_lines(void) {
    CHECK(takes(LINE, "/run/dockersh"));
    CHECK(takes("ada:x:1:1:Ãda:/:", "/run/dockersh"));
    CHECK(!takes(NULL, "/run/dockersh"));
    CHECK(!takes("ada:x:1:1:/home/ada:/bin/sh", "/run/dockersh"));
    CHECK(!takes(LINE ":more", "/run/dockersh"));
    CHECK(!takes(":x:1:1::/home/ada:/bin/sh", "/run/dockersh"));
    CHECK(!takes("ada:x:1:1::/home/ada:/bin/sh\nroot2:x:0:0::/:", "/run/dockersh"));
    CHECK(!takes("ada:x:1:1:a\tb:/home/ada:/bin/sh", "/run/dockersh"));
    CHECK(takes_group("staff:x:1000:ada", MAX_GROUPS));
    CHECK(!takes_group("staff:x:1000:ada", MAX_GROUPS + 1));
    CHECK(!takes_group("staff:x:1000", 1));
    CHECK(!takes_group("staff:x:1000:ada\n", 1));
}

static void test_paths(void) {
    static const char *const bad[] = {"run",         "",         "/",       "/run/", "/run//x",
                                      "/run/../etc", "/run/./x", "/run/..", "/run/."};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(!takes(LINE, bad[index]));
    CHECK(!takes(LINE, NULL));
    CHECK(takes(LINE, "/run/..x/.y"));
    CHECK(parts_is_in("/tmp", "/tmp") && parts_is_in("/tmp/x", "/tmp"));
    CHECK(!parts_is_in("/tmpx", "/tmp") && !parts_is_in("/", "/tmp") && !parts_is_in("/var/tmp", "/tmp"));
}

static void test_signature(void) {
    struct wire_writer writer;
    struct parts one = {0}, other = {0};
    begin(&writer, LINE, "/run/dockersh");
    CHECK(is_taken(&writer, &one));
    CHECK(strcmp(one.home, "/home/ada") == 0);
    CHECK(parts_signature(&one) == parts_signature(&one));
    begin(&writer, LINE, "/run/dockersh");
    wire_put_text(&writer, TAG_ACCOUNT_GROUP, "staff:x:1000:ada");
    CHECK(is_taken(&writer, &other));
    CHECK(parts_signature(&one) != parts_signature(&other));
    parts_free(&one);
    parts_free(&other);
}

int main(void) {
    test_lines();
    test_paths();
    test_signature();
    (void)printf("parts_test: ok\n");
    return 0;
}
