// Gets the text of a file or of a command as somebody else, in a process of its own: what a user's files lead
// to may be anything, and may wait for ever.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SOURCE_MOST (1024 * 1024)

// Who looks: with that name's groups.
struct reader {
    const char *name;
    uid_t uid;
    gid_t gid;
};

// A file of the user's: a regular one that nobody but they and root can change, in folders of which the same
// holds, up to `home`. The text is freed by the caller; NULL: there is none, or it is not to be trusted
// (`why`, then).
char *source_file(const struct reader *reader, const char *path, const char *home, size_t *length,
                  const char **why);
// What a command prints. NULL: it can't be run, or has failed.
char *source_command(const struct reader *reader, char *const *arguments, size_t *length, const char **why);
