// Takes the command line of dockersh-layer apart.
#pragma once

#include <stdbool.h>

#include "archive_limits.h"
#include "attributes/id_map.h"

struct arguments {
    struct limits limits;
    bool overlay, one_file_system, skip_zeros, for_image;
    const char *part; // NULL: none
    struct id_map uids, gids;
    char **paths;
    int path_count;
};

// From the third argument on: options, each with a value, then paths. False: it is none of ours.
bool arguments_take(struct arguments *arguments, int argc, char **argv);
// Says how to call the program; returns the exit status for that.
int arguments_usage(void);
