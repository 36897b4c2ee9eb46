#include "attributes/id_map.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

// Those of a user namespace are 340 at the most (user_namespaces(7)); where the ids of one host's account
// become those of another's, each of its own splits the range once more.
enum { MAX_EXTENTS = 1024 };

static int parse_number(const char **at, char end, uint32_t *number) {
    size_t length = strcspn(*at, " ,");
    uint64_t value;
    if (decimal_parse(*at, length, &value) < 0 || value > UINT32_MAX)
        return -1;
    if ((*at)[length] != end && !(end == ',' && (*at)[length] == '\0'))
        return -1;
    *number = (uint32_t)value;
    *at += length + ((*at)[length] != '\0' ? 1 : 0);
    return 0;
}

int id_map_parse(const char *text, struct id_map *map, struct err *err) {
    id_map_clear(map);
    map->extents = calloc(MAX_EXTENTS, sizeof *map->extents);
    if (map->extents == NULL)
        return err_sys(err, "remember an id map", "");
    for (const char *at = text; *at != '\0';) {
        struct id_extent *extent = &map->extents[map->count];
        if (map->count == MAX_EXTENTS || parse_number(&at, ' ', &extent->inside) < 0 ||
            parse_number(&at, ' ', &extent->host) < 0 || parse_number(&at, ',', &extent->count) < 0)
            return err_plain(err, FAILURE_REFUSED, "malformed id map", text);
        map->count++;
    }
    return 0;
}

void id_map_clear(struct id_map *map) {
    free(map->extents);
    *map = (struct id_map){0};
}

uint32_t id_map_inside(const struct id_map *map, uint32_t host) {
    if (map->count == 0)
        return host;
    for (size_t index = 0; index < map->count; index++) {
        const struct id_extent *extent = &map->extents[index];
        if (host >= extent->host && host - extent->host < extent->count)
            return extent->inside + (host - extent->host);
    }
    return ID_NOBODY;
}

bool id_map_host(const struct id_map *map, uint64_t inside, uint32_t *host) {
    for (size_t index = 0; index < map->count; index++) {
        const struct id_extent *extent = &map->extents[index];
        if (inside < extent->inside || inside - extent->inside >= extent->count)
            continue;
        *host = extent->host + (uint32_t)(inside - extent->inside);
        return true;
    }
    return false;
}
