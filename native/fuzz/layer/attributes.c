// Fuzzes attributes that an archive or a sandbox's file carries: capabilities are checked and turned into
// those inside.

#include "../../layer/attributes/attributes.c"

#include "cleanup.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const struct id_extent extents[] = {{0, 100000, 65536}, {1000, 1000, 1}};
    static const struct id_map map = {.extents = (struct id_extent *)(uintptr_t)extents, .count = 2};
    static char name[] = "security.capability";
    struct err err = {0};
    cleanup_free uint8_t *value = malloc(length + 1);
    memcpy(value, bytes, length);
    (void)capability_is_sound(&(struct tar_xattr){.name = name, .value = value, .length = length});
    size_t kept = shift_capability(&map, value, length);
    REQUIRE(kept == length || (kept == 20 && length == 24 && value[3] == 2));
    struct tar_entry taken __attribute__((cleanup(tar_entry_clear))) = {.uid = length > 0 ? bytes[0] : 0};
    if (tar_entry_add_xattr(&taken, name, sizeof name - 1, bytes, length) == 0 &&
        attributes_to_host(&taken, &map, &map, &err) == 0)
        REQUIRE(taken.xattrs[0].length == 24 && taken.xattrs[0].value[3] == 3);
    cleanup_free char *text = fuzz_text(bytes, length);
    if (attributes_may_keep(text))
        REQUIRE(strncmp(text, "trusted.", 8) != 0 && strncmp(text, "user.overlay.", 13) != 0);
    uint64_t ids[2] = {0, 0};
    memcpy(ids, bytes, length < sizeof ids ? length : sizeof ids);
    const struct tar_entry entry = {.uid = ids[0], .gid = ids[1]};
    if (attributes_check_ids(&entry, &err) == 0)
        REQUIRE(ids[0] <= ID_MAX && ids[1] <= ID_MAX);
    return 0;
}
