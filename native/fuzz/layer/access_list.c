// Fuzzes access lists, as text and in the kernel's form: what is made of a text passes the check of the form.

#include "attributes/access_list.h"
#include "attributes/attributes.h"
#include "cleanup.h"
#include "fuzz.h"

static const struct id_extent extents[] = {{0, 100000, 65536}};
static const struct id_map map = {.extents = (struct id_extent *)(uintptr_t)extents, .count = 1};

static void check_binary(const uint8_t *bytes, size_t length) {
    struct err err = {0};
    cleanup_free uint8_t *value = malloc(length + 1);
    memcpy(value, bytes, length);
    static char name[] = ACCESS_LIST;
    const struct tar_xattr xattr = {.name = name, .value = value, .length = length};
    (void)access_list_check(&xattr, &err);
    access_list_shift(value, length, &map, &map);
    // An id that has no place inside becomes nobody's: the form alone can be wrong now.
    bool form = length >= 4 && memcmp(bytes, "\2\0\0\0", 4) == 0 && (length - 4) % 8 == 0;
    REQUIRE((access_list_check(&xattr, &err) == 0) == form);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct tar_entry entry = {0};
    struct err err = {0};
    cleanup_free char *text = fuzz_text(bytes, length);
    if (access_list_parse(text, DEFAULT_ACCESS_LIST, &entry, &err) == 0) {
        REQUIRE(entry.xattr_count == 1);
        REQUIRE(access_list_check(&entry.xattrs[0], &err) == 0);
    }
    tar_entry_clear(&entry);
    check_binary(bytes, length);
    return 0;
}
