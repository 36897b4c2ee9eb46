// Copies what one file holds, and what is said of it.
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "err.h"

// Shares the blocks where the file system can; otherwise copies data and leaves holes. `to` is empty. What
// `from` loses or gains meanwhile is no failure. `bytes` grows by those of data.
int content_copy(int from, int to, const struct stat *info, uint64_t *bytes, struct err *err);

// Owner, mode, extended attributes and times.
int content_copy_attributes(int from, int to, const struct stat *info, struct err *err);
// Takes away the extended attributes.
int content_clear_attributes(int to, struct err *err);

// Between a look at the time of change and the reading: whatever is written from now on to what has been read
// changes that time. A call of write() sets it at its beginning only, so one that is under way is waited for
// (it holds the lock that SEEK_DATA takes, or reading takes). A page that is mapped sets it when it is first
// written to since its way to the disk began, so that of every page that is dirty begins now; it need not
// end.
int content_settle(int from, struct err *err);
