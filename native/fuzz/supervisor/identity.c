// Fuzzes the ids that a session gets: never root's, and none that is not mapped.

#include "session/identity.h"
#include "fuzz.h"

static int is_mapped(const struct spec *spec, gid_t gid) {
    int own = gid == spec->gid;
    for (size_t index = 0; index < spec->group_count; index++)
        own |= gid == spec->groups[index];
    return own || gid < MAPPED_IDS;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct spec spec = {.uid = 100000,
                               .gid = 100001,
                               .groups = {200000, 200001},
                               .group_count = 2,
                               .root_uid = 3000000000u,
                               .root_gid = 3000000000u};
    struct identity identity;
    struct wire_reader reader;
    if (!wire_open(&reader, bytes, length) || identity_read(&identity, &spec, reader) != 0)
        return 0;
    REQUIRE(identity.uid != 0 && (identity.uid < MAPPED_IDS || identity.uid == spec.uid));
    REQUIRE(is_mapped(&spec, identity.gid) && identity.group_count <= MAX_GROUPS);
    for (size_t index = 0; index < identity.group_count; index++)
        REQUIRE(is_mapped(&spec, identity.groups[index]));
    uid_t host = identity_host_uid(&identity, &spec);
    REQUIRE(host == spec.uid || (host > spec.root_uid && host < spec.root_uid + MAPPED_IDS));
    return 0;
}
