// Fuzzes the records of extended headers: an entry that they describe is whole, however they contradict each
// other.

#include "tar/pax.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct pax pax = {0};
    struct err err = {0};
    // Exactly as long as it is, so that a read behind it is seen; in two headers, as an archive may have it.
    size_t half = length / 2;
    uint8_t *first = malloc(half > 0 ? half : 1), *second = malloc(length - half > 0 ? length - half : 1);
    memcpy(first, bytes, half);
    memcpy(second, bytes + half, length - half);
    if (pax_parse(bytes, length, &pax, &err) == 0)
        REQUIRE(pax.segment_count <= TAR_MAX_SEGMENTS && pax.segment_count <= length);
    (void)pax_parse(first, half, &pax, &err);
    (void)pax_parse(second, length - half, &pax, &err);
    REQUIRE(!pax.has_mtime || (pax.mtime.tv_nsec >= 0 && pax.mtime.tv_nsec < 1000000000));
    REQUIRE(!pax.has_size || pax.size <= INT64_MAX);
    REQUIRE(pax.attributes.xattr_count == 0 || pax.attributes.xattrs != NULL);
    for (size_t index = 0; index < pax.attributes.xattr_count; index++)
        REQUIRE(pax.attributes.xattrs[index].length <= 2 * length + 64);
    pax_clear(&pax);
    free(first);
    free(second);
    return 0;
}
