// POSIX access lists (acl(5)). A file has them as the attributes system.posix_acl_access and _default, in the
// form of linux/posix_acl_xattr.h; archives carry either that, as any attribute, or text (SCHILY.acl.access,
// as star, GNU tar and bsdtar write it).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attributes/id_map.h"
#include "err.h"
#include "tar/entry.h"

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_ACCESS_LIST "system.posix_acl_default"

// True for the names of the two attributes.
bool access_list_is(const char *name);

// Whether its form is sound and its ids have a place inside; what its entries mean, the kernel checks.
int access_list_check(const struct tar_xattr *xattr, struct err *err);

// Turns the ids of a sound list, the host's, into those inside.
void access_list_shift(uint8_t *value, size_t length, const struct id_map *uids, const struct id_map *gids);

// The other way round, of a list that has been checked. False: somebody in it is none of the map's.
bool access_list_to_host(uint8_t *value, size_t length, const struct id_map *uids, const struct id_map *gids);

// From text: entries "TAG:WHO:rwx" or "TAG:NAME:rwx:ID", separated by commas or newlines. A name without a
// number is refused: whose it is only the archive's host knew. Adds the attribute `name` to `entry`.
int access_list_parse(const char *text, const char *name, struct tar_entry *entry, struct err *err);
