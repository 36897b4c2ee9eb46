// Fuzzes id maps: a map that is accepted gives every id, those at its edges too, one inside or nobody.

#include "attributes/id_map.h"
#include "cleanup.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct id_map map = {0};
    struct err err = {0};
    cleanup_free char *text = fuzz_text(bytes, length);
    if (id_map_parse(text, &map, &err) == 0) {
        for (size_t index = 0; index < map.count; index++) {
            const struct id_extent *extent = &map.extents[index];
            (void)id_map_inside(&map, extent->host);
            (void)id_map_inside(&map, extent->host + extent->count);
            (void)id_map_inside(&map, extent->host - 1);
            uint32_t host;
            if (extent->count > 0)
                REQUIRE(id_map_host(&map, extent->inside, &host));
            (void)id_map_host(&map, (uint64_t)extent->inside + extent->count, &host);
        }
    }
    id_map_clear(&map);
    return 0;
}
