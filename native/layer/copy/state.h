// A copy that is being made.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive_limits.h"
#include "copy/copied.h"
#include "walk/links.h"

struct copy_options {
    const struct limits *limits;
    bool one_file_system; // what is mounted below stays out
    bool follow;          // there will be further passes
    // It is for an image: what lies too deep for one stays out, but for the folder that it is in; what is too
    // much for one is a failure. Without, what lies too deep is one.
    bool for_image;
};

// Of the last pass.
struct copy_result {
    uint64_t entries;
    uint64_t bytes; // of files' data
    uint64_t skipped_devices;
    uint64_t skipped_mounts;
    uint64_t changed;       // files that were copied or removed
    uint64_t changed_bytes; // of those
};

struct copy {
    const struct copy_options *options;
    struct copy_result result;
    struct link_table links;
    struct copied copied;
    bool last;    // pass: nobody is at work in the tree
    dev_t device; // of the tree
    int from, to;
    char *path; // of the current file, below the tree
};
