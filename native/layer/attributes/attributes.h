// Applies an archive's owner, mode and extended attributes to a file, as far as the archive is believed.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "attributes/id_map.h"
#include "err.h"
#include "tar/entry.h"

int attributes_check_ids(const struct tar_entry *entry, struct err *err);

// True for the attributes that an image may carry: user.* (but not overlay's own), file capabilities, access
// lists. Everything else (security labels, trusted.*) belongs to a host, and is left out.
bool attributes_may_keep(const char *name);

// Sets owner, mode and attributes of an open file or folder, counting the attributes left out. All but a
// folder's default access list: what is made in it afterwards would inherit that. `now`: what owner and mode
// are already, or NULL.
int attributes_set(int fd, const struct tar_entry *entry, const struct stat *now, uint64_t *skipped,
                   struct err *err);

// Sets the default access list, if the entry has one.
int attributes_set_default(int fd, const struct tar_entry *entry, struct err *err);

// Turns owner, capabilities and access lists of an archive's entry into what they are on the host, and checks
// them first: attributes_set believes them from then on. Refuses an id that the maps do not have.
int attributes_to_host(struct tar_entry *entry, const struct id_map *uids, const struct id_map *gids,
                       struct err *err);

// Takes away what attributes_set would set.
int attributes_clear(int fd, struct err *err);

// The attributes of an open file or folder that an archive may carry, sorted by name, into `entry`. File
// capabilities that hold for a sandbox alone hold inside it for what `uids` says; ids in access lists are
// turned into those inside.
int attributes_read(int fd, const struct id_map *uids, const struct id_map *gids, struct tar_entry *entry,
                    uint64_t *skipped, struct err *err);
