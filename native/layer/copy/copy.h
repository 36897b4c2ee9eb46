// Copies a tree as it is: host ids, every attribute, overlay's own marks, holes, hard links, times. For
// snapshots and images of a user's layer, and for homes. Either may be hostile and in use: no link is
// followed, what goes meanwhile is left out, and in a home a file that is replaced meanwhile is never taken
// for another one.
//
// A copy can be brought up to date: each further pass looks at every file and copies what has changed since.
// A last pass with nobody at work makes it what the tree is at that moment, and takes as long as looking.
#pragma once

#include "copy/state.h"
#include "err.h"

// `from` is a folder, `to` does not exist yet. `place` (PATH_MAX bytes) names the file a failure is about.
// Close it after a failure too.
int copy_open(struct copy *copy, const char *from, const char *to, const struct copy_options *options,
              char *place, struct err *err);
void copy_close(struct copy *copy);

// Nothing need be on the disk afterwards.
int copy_pass(struct copy *copy, struct err *err);
