// Translates ids of the host into ids inside a sandbox (user_namespaces(7), uid_map). A user's own layer has
// host ids on disk, an image has the ids inside.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct id_extent {
    uint32_t inside, host, count;
};

// Empty: every id is itself.
struct id_map {
    struct id_extent *extents;
    size_t count;
};

// Ids above this have no place in the range of ids that a sandbox maps.
#define ID_MAX 65535

// What an id is inside that the map does not have: an owner that the sandbox does not know.
#define ID_NOBODY 65534

// Lines of a uid_map, joined by commas.
int id_map_parse(const char *text, struct id_map *map, struct err *err);
void id_map_clear(struct id_map *map);
uint32_t id_map_inside(const struct id_map *map, uint32_t host);
// The other way round. False: the map has no such id.
bool id_map_host(const struct id_map *map, uint64_t inside, uint32_t *host);
