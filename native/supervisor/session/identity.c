#include "session/identity.h"

#include <stdbool.h>
#include <string.h>

static bool is_own_group(const struct spec *spec, gid_t gid) {
    if (gid == spec->gid)
        return true;
    for (size_t index = 0; index < spec->group_count; index++) {
        if (spec->groups[index] == gid)
            return true;
    }
    return false;
}

static bool is_allowed(const struct identity *identity, const struct spec *spec) {
    if (identity->uid == 0 || (identity->uid >= MAPPED_IDS && identity->uid != spec->uid))
        return false;
    if (identity->gid >= MAPPED_IDS && !is_own_group(spec, identity->gid))
        return false;
    for (size_t index = 0; index < identity->group_count; index++) {
        if (identity->groups[index] >= MAPPED_IDS && !is_own_group(spec, identity->groups[index]))
            return false;
    }
    return true;
}

int identity_read(struct identity *identity, const struct spec *spec, struct wire_reader reader) {
    struct wire_field field;
    bool uid = false, gid = false, groups = false;
    memset(identity, 0, sizeof *identity);
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_UID && !wire_u32(&field, &identity->uid))
            return -1;
        if (field.tag == TAG_GID && !wire_u32(&field, &identity->gid))
            return -1;
        if (field.tag == TAG_GROUPS &&
            !wire_u32s(&field, identity->groups, MAX_GROUPS, &identity->group_count))
            return -1;
        uid |= field.tag == TAG_UID;
        gid |= field.tag == TAG_GID;
        groups |= field.tag == TAG_GROUPS;
    }
    if (uid && gid && groups)
        return is_allowed(identity, spec) ? 0 : -1;
    if (uid || gid || groups) // half of another identity and half of the user's would be somebody else
        return -1;
    identity->uid = spec->uid;
    identity->gid = spec->gid;
    identity->group_count = spec->group_count;
    memcpy(identity->groups, spec->groups, spec->group_count * sizeof spec->groups[0]);
    return 0;
}

gid_t identity_host_gid(gid_t gid, const struct spec *spec) {
    return is_own_group(spec, gid) ? gid : spec->root_gid + gid;
}

uid_t identity_host_uid(const struct identity *identity, const struct spec *spec) {
    return identity->uid == spec->uid ? spec->uid : spec->root_uid + identity->uid;
}
