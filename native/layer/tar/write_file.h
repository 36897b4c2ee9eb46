// Writes the data of a file into an archive, while somebody else may change the file.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "tar/write.h"

enum { TAR_FILE_BUFFER = 256 * 1024 };

// Writes the entry's data, exactly as long as its header says: a file that shrank is filled up with
// zeros, and what a file grew is left out. Holes are zeros too (layer.md: sparse files have no form that
// every reader knows), but need not be read.
// `buffer`: of TAR_FILE_BUFFER bytes. Sets `shrank` where the file did.
int tar_write_file(struct tar_writer *writer, uint8_t *buffer, int fd, uint64_t size, bool *shrank,
                   struct err *err);
