// Tests of the ids that a session gets (supervisor/session/identity.c): the daemon may name others than the
// user's, but never root's, none that are not mapped, and no mixture of two.

#include "session/identity.h"

#include <string.h>

#include "check.h"

static const struct spec spec = {
    .uid = 100000, .gid = 100001, .groups = {100001, 7, 200000}, .group_count = 3, .root_uid = 0x80000000};

static struct identity identity;

struct given {
    bool has_uid, has_gid, has_groups;
    uint32_t uid, gid;
    const uint32_t *groups;
    size_t group_bytes;
};

static int read_message(const struct given *given) {
    static uint8_t bytes[4096];
    struct wire_writer writer;
    struct wire_reader reader;
    wire_start(&writer, bytes, sizeof bytes, MSG_SESSION);
    wire_put_text(&writer, TAG_ID, "x");
    if (given->has_uid)
        wire_put_u32(&writer, TAG_UID, given->uid);
    if (given->has_gid)
        wire_put_u32(&writer, TAG_GID, given->gid);
    if (given->has_groups)
        wire_put(&writer, TAG_GROUPS, given->groups, given->group_bytes);
    CHECK(wire_open(&reader, bytes, wire_finish(&writer, 0)));
    return identity_read(&identity, &spec, reader);
}

static int read_ids(uint32_t uid, uint32_t gid, uint32_t group) {
    const struct given given = {true, true, true, uid, gid, &group, sizeof group};
    return read_message(&given);
}

int main(void) {
    const struct given nothing = {0};
    CHECK(read_message(&nothing) == 0);
    CHECK(identity.uid == 100000 && identity.gid == 100001 && identity.group_count == 3);
    CHECK(memcmp(identity.groups, spec.groups, sizeof spec.groups) == 0);

    CHECK(read_ids(12, 0, 65535) == 0);
    CHECK(identity.uid == 12 && identity.gid == 0 && identity.group_count == 1);
    CHECK(identity.groups[0] == 65535);
    CHECK(identity_host_uid(&identity, &spec) == 0x80000000 + 12);
    CHECK(read_ids(100000, 100001, 200000) == 0); // the user's own, above the range
    CHECK(identity_host_uid(&identity, &spec) == 100000);

    CHECK(read_ids(0, 12, 12) != 0);
    CHECK(read_ids(65536, 12, 12) != 0);
    CHECK(read_ids(UINT32_MAX, 12, 12) != 0);
    CHECK(read_ids(12, 65536, 12) != 0);
    CHECK(read_ids(12, UINT32_MAX, 12) != 0);
    CHECK(read_ids(12, 12, 200001) != 0);

    const struct given alone = {.has_uid = true, .uid = 12};
    CHECK(read_message(&alone) != 0);
    const struct given without_groups = {.has_uid = true, .uid = 12, .has_gid = true, .gid = 12};
    CHECK(read_message(&without_groups) != 0);
    static const uint32_t many[MAX_GROUPS + 1];
    struct given odd = {true, true, true, 12, 12, many, 5};
    CHECK(read_message(&odd) != 0);
    odd.group_bytes = sizeof many;
    CHECK(read_message(&odd) != 0);
    odd.group_bytes = 0;
    CHECK(read_message(&odd) == 0 && identity.group_count == 0);
    (void)printf("identity_test: ok\n");
    return 0;
}
