// Tests of what a connection process can ask for, and of what a key allows: each field once and in bounds, or
// nothing.
#include <string.h>

#include "check.h"
#include "inside/request.h"
#include "inside/rights.h"
#include "inside/session/start.h"

static uint8_t bytes[WIRE_MAX_BYTES];
static struct request request;

static void begin(struct wire_writer *writer, enum wire_type type, const char *kind) {
    wire_start(writer, bytes, sizeof bytes, type);
    wire_put_u32(writer, TAG_SLOT, 7);
    if (kind != NULL)
        wire_put_text(writer, TAG_KIND, kind);
}

static bool reads(struct wire_writer *writer, unsigned fds) {
    bool read = request_read(&request, bytes, wire_finish(writer, fds));
    request_free(&request);
    return read;
}

static void takes_what_there_is(void) {
    const uint32_t size[4] = {80, 24, 0, 0};
    struct wire_writer writer;
    begin(&writer, MSG_GW_SESSION, "exec");
    wire_put_text(&writer, TAG_ARG, "id");
    wire_put_text(&writer, TAG_ENV, "A=1");
    wire_put_text(&writer, TAG_ENV, "B=2");
    wire_put_text(&writer, TAG_GW_TERM, "xterm");
    wire_put(&writer, TAG_GW_SIZE, size, sizeof size);
    wire_put(&writer, TAG_GW_MODES, "\0", 1);
    CHECK(request_read(&request, bytes, wire_finish(&writer, 0)));
    CHECK(request.slot == 7 && request.variable_count == 2 && request.size[1] == 24);
    CHECK(strcmp(request.argument, "id") == 0 && strcmp(request.variables[1], "B=2") == 0);
    request_free(&request);
    begin(&writer, MSG_GW_CLOSE, NULL);
    CHECK(reads(&writer, 0));
}

static void refuses_what_there_is_not(void) {
    const uint32_t size[3] = {80, 24, 0};
    static char long_name[2000], modes[MOST_MODES + 1];
    struct wire_writer writer;
    memset(long_name, 'a', sizeof long_name - 1);
    begin(&writer, MSG_GW_CLOSE, NULL);
    CHECK(!reads(&writer, 1)); // descriptors
    begin(&writer, MSG_GW_CLOSE, "exec");
    CHECK(!reads(&writer, 0)); // a field that it has not
    begin(&writer, MSG_GW_SESSION, NULL);
    CHECK(!reads(&writer, 0)); // none that it must have
    begin(&writer, MSG_GW_CONNECT, "tcp");
    wire_put_text(&writer, TAG_NAME, long_name);
    CHECK(!reads(&writer, 0));
    begin(&writer, MSG_GW_CONNECT, "tcp");
    wire_put(&writer, TAG_NAME, "a\0b", 3);
    CHECK(!reads(&writer, 0));
    begin(&writer, MSG_GW_SESSION, "shell");
    wire_put_text(&writer, TAG_ARG, "a");
    wire_put_text(&writer, TAG_ARG, "b");
    CHECK(!reads(&writer, 0)); // one twice
    begin(&writer, MSG_GW_SESSION, "shell");
    wire_put(&writer, TAG_GW_SIZE, size, sizeof size);
    CHECK(!reads(&writer, 0));
    begin(&writer, MSG_GW_SESSION, "shell");
    wire_put(&writer, TAG_GW_MODES, modes, sizeof modes);
    CHECK(!reads(&writer, 0));
    begin(&writer, MSG_GW_SESSION, "shell");
    for (size_t count = 0; count <= MOST_VARIABLES; count++)
        wire_put_text(&writer, TAG_ENV, "A=1");
    CHECK(!reads(&writer, 0));
    begin(&writer, MSG_LOGIN, "shell");
    CHECK(!reads(&writer, 0));
}

static void survives_damage(void) {
    uint64_t state = 4711;
    for (int round = 0; round < 20000; round++) {
        struct wire_writer writer;
        begin(&writer, MSG_GW_SESSION, "exec");
        wire_put_text(&writer, TAG_ARG, "id");
        wire_put_text(&writer, TAG_ENV, "A=1");
        (void)request_read(&request, bytes, damage(&state, bytes, wire_finish(&writer, 0)));
        request_free(&request);
    }
}

static void allows_what_a_key_says(void) {
    char *const open[] = {"localhost:80", "[::1]:8080", "db.example:*", "*:22", "nonsense", NULL};
    char *const listen[] = {"8022", "localhost:9000", NULL};
    struct rights rights = rights_all();
    CHECK(rights_may_open(&rights, "anywhere", 1) && rights_may_listen(&rights, "", 0));
    rights.permit_open = open;
    rights.permit_listen = listen;
    CHECK(rights_may_open(&rights, "localhost", 80) && !rights_may_open(&rights, "localhost", 81));
    CHECK(!rights_may_open(&rights, "localhost.example", 80) && !rights_may_open(&rights, "local", 80));
    CHECK(rights_may_open(&rights, "::1", 8080) && rights_may_open(&rights, "db.example", 9));
    CHECK(rights_may_open(&rights, "any.example", 22) && !rights_may_open(&rights, "any.example", 2222));
    CHECK(rights_may_listen(&rights, "", 8022) && rights_may_listen(&rights, "localhost", 8022));
    CHECK(rights_may_listen(&rights, "localhost", 9000) && !rights_may_listen(&rights, "", 9000));
    CHECK(!rights_may_listen(&rights, "", 0));
    rights.forward = false;
    CHECK(!rights_may_open(&rights, "localhost", 80) && !rights_may_listen(&rights, "", 8022));
}

static void reads_displays(void) {
    struct display display;
    CHECK(display_read(&display, "MIT-MAGIC-COOKIE-1 00ff 0 10"));
    CHECK(display.number == 10 && display.screen == 0 && strcmp(display.cookie, "00ff") == 0);
    const char *const wrong[] = {
        "",          "A",          "A 00",          "A 00 0",    "A 0 0 10", "A zz 0 10", "A 00 0 10 more",
        "A 00 0 1x", "A;b 00 0 1", "A 00\nadd 0 1", "A 00 -1 10"};
    for (size_t index = 0; index < sizeof wrong / sizeof wrong[0]; index++)
        CHECK(!display_read(&display, wrong[index]));
}

int main(void) {
    takes_what_there_is();
    refuses_what_there_is_not();
    survives_damage();
    allows_what_a_key_says();
    reads_displays();
    (void)printf("inside_test: ok\n");
    return 0;
}
