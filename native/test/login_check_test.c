// Tests of the check by which the daemon tells logins from other messages.

#include "login_check.h"

#include <string.h>

#include "check.h"
#include "wire.h"

static uint8_t bytes[WIRE_MAX_BYTES];

static size_t message(enum wire_type type, unsigned fds, unsigned arguments, unsigned variables,
                      const uint32_t *others, size_t other_count) {
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    for (unsigned index = 0; index < arguments; index++)
        wire_put_text(&writer, TAG_ARG, "x");
    for (unsigned index = 0; index < variables; index++)
        wire_put_text(&writer, TAG_ENV, "LC_A=x");
    for (size_t index = 0; index < other_count; index++)
        wire_put_u32(&writer, (enum wire_tag)others[index], 0);
    return wire_finish(&writer, fds);
}

static void takes_what_a_client_sends(void) {
    const uint32_t usual[] = {TAG_TIME, TAG_UMASK, TAG_EXEC_PATH, TAG_USER};
    CHECK(login_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, NULL, 0)));
    CHECK(login_is_whole(bytes, message(MSG_LOGIN, 3, LOGIN_MAX_ARGUMENTS, LOGIN_MAX_VARIABLES, usual, 4)));
}

static void refuses_what_is_none(void) {
    const uint32_t twice[] = {TAG_UMASK, TAG_UMASK}, foreign[] = {TAG_LAYER}, zero[] = {0}, high[] = {~0u};
    CHECK(!login_is_whole(bytes, message(MSG_SESSION, 3, 1, 0, NULL, 0)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 2, 1, 0, NULL, 0)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 0, 0, NULL, 0)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, LOGIN_MAX_ARGUMENTS + 1, 0, NULL, 0)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 1, LOGIN_MAX_VARIABLES + 1, NULL, 0)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, twice, 2)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, foreign, 1)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, zero, 1)));
    CHECK(!login_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, high, 1)));
}

static void refuses_every_cut_and_every_longer_field(void) {
    size_t length = message(MSG_LOGIN, 3, 2, 2, NULL, 0);
    for (size_t cut = 0; cut < length; cut++)
        CHECK(!login_is_whole(bytes, cut));
    uint32_t body = (uint32_t)(length - WIRE_HEADER_BYTES - 1);
    memcpy(bytes + 8, &body, sizeof body);
    CHECK(!login_is_whole(bytes, length - 1));
    (void)message(MSG_LOGIN, 3, 2, 2, NULL, 0);
    bytes[WIRE_HEADER_BYTES + 4] = 0xff;
    CHECK(!login_is_whole(bytes, length));
}

static size_t join(unsigned fds, const uint32_t *tags, size_t tag_count, size_t auth) {
    static uint8_t value[JOIN_MAX_AUTH + 1];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_JOIN);
    for (size_t index = 0; index < tag_count; index++)
        wire_put(&writer, (enum wire_tag)tags[index], value, tags[index] == TAG_AUTH ? auth : 8);
    return wire_finish(&writer, fds);
}

static void knows_joins(void) {
    const uint32_t usual[] = {TAG_TIME, TAG_USER, TAG_FROM, TAG_AUTH, TAG_USER};
    const uint32_t nobody[] = {TAG_FROM}, foreign[] = {TAG_USER, TAG_SHELL};
    const uint32_t gateway[] = {TAG_USER, TAG_GW_ENTRY, TAG_CLIENT_FOLDER, TAG_CLIENT_FOLDER};
    const uint32_t twice[] = {TAG_USER, TAG_GW_ENTRY, TAG_GW_ENTRY};
    CHECK(join_is_whole(bytes, join(1, usual, 4, JOIN_MAX_AUTH)));
    CHECK(join_is_whole(bytes, join(1, usual, 2, 0)));
    CHECK(join_is_whole(bytes, join(1, gateway, 3, 0)));
    CHECK(!join_is_whole(bytes, join(1, gateway, 4, 0)));
    CHECK(!join_is_whole(bytes, join(1, twice, 3, 0)));
    CHECK(!join_is_whole(bytes, join(1, usual, 5, 0)));
    CHECK(!join_is_whole(bytes, join(0, usual, 4, 0)));
    CHECK(!join_is_whole(bytes, join(2, usual, 4, 0)));
    CHECK(!join_is_whole(bytes, join(1, usual, 4, JOIN_MAX_AUTH + 1)));
    CHECK(!join_is_whole(bytes, join(1, nobody, 1, 0)));
    CHECK(!join_is_whole(bytes, join(1, foreign, 2, 0)));
    CHECK(!join_is_whole(bytes, message(MSG_LOGIN, 3, 1, 0, NULL, 0)));
    size_t length = join(1, usual, 4, 16);
    for (size_t cut = 0; cut < length; cut++)
        CHECK(!join_is_whole(bytes, cut));
}

int main(void) {
    knows_joins();
    takes_what_a_client_sends();
    refuses_what_is_none();
    refuses_every_cut_and_every_longer_field();
    (void)printf("login_check_test: ok\n");
    return 0;
}
