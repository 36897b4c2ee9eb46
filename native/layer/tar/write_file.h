// Writes the data of a file into an archive, while somebody else may change the file.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "tar/write.h"

enum { TAR_FILE_BUFFER = 256 * 1024 };

// Fills in where the file has data, for an entry that is to keep its holes. Writers of sparse maps of more
// runs than that are few: the last one then has holes, as zeros.
int tar_find_data(int fd, struct tar_entry *entry, struct err *err);

// Writes the entry's data, exactly as long as its header says: a file that shrank is filled up with
// zeros, and what a file grew is left out. Holes that the entry does not tell of are zeros too (layer.md:
// sparse files have no form that every reader knows), but need not be read. `buffer`: of TAR_FILE_BUFFER
// bytes. Sets `shrank` where the file did.
int tar_write_file(struct tar_writer *writer, uint8_t *buffer, int fd, const struct tar_entry *entry,
                   bool *shrank, struct err *err);
