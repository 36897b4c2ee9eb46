// A sandbox's specification as the daemon sends it (MSG_SANDBOX, docs/protocol.md), parsed. The
// daemon is trusted; lengths and counts are checked all the same.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "plan.h"
#include "start/lockdown.h"
#include "wire.h"

// Of an image at most 256 (src/images/oci.ts), and the identity layer. Overlayfs takes 500.
#define MAX_LAYERS 260
#define MAX_BINDS 32
#define MAX_DEVICES 64
#define MAX_RUN_FOLDERS 32
#define MAX_CGROUP_WRITES 32
#define MAX_CGROUP_LIFTS 8
#define MAX_GROUPS 256
#define MAX_FIGURES WIRE_MAX_FDS

struct layer {
    char *path;
    bool idmapped;
};

struct bind {
    char *source;
    char *target;
    bool writable;
    // Of a folder of the image `host` (host_folders.h); CLOSED_FD otherwise.
    int context; // of the overlay over it
    int tree;    // that overlay, while it is not attached yet
};

struct device {
    char *name; // below /dev
    unsigned major, minor;
    bool writable;
};

struct cgroup_write {
    uint32_t hierarchy; // index into the prepared parents
    char *file;
    char *value;
};

struct spec {
    char *name; // of the sandbox's cgroup
    uint32_t uid, gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    uint32_t root_uid, root_gid; // what 0 inside is on the host
    char *uid_map, *gid_map;
    struct layer layers[MAX_LAYERS]; // top first
    size_t layer_count;
    char *disk;      // NULL, or the block device with an ext4 that holds what follows below "d/"
    char *upper_dir; // holds "upper" and "work"
    struct bind binds[MAX_BINDS];
    size_t bind_count;
    struct bind mounts[MAX_BINDS]; // what root's policy adds (mounts.h)
    size_t mount_count;
    struct device devices[MAX_DEVICES];
    size_t device_count;
    char *run_folders[MAX_RUN_FOLDERS]; // below /run, for everybody to write in
    size_t run_folder_count;
    char
        *figures[MAX_FIGURES]; // paths inside, as many as descriptors came with the specification (figures.h)
    size_t figure_count;
    uint64_t figures_of;
    bool own_sysinfo; // sysinfo(2) is answered by us (sysinfo/sysinfo.h)
    char *mountpoint; // an empty directory to build on, in the supervisor's own mount namespace
    char *hostname;
    enum net_kind network;
    struct net_plan plan; // of a private one; nothing of it reaches the sandbox's own processes
    struct freedom freedom;
    struct filters filters;
    char *delegated; // with nesting: the sandbox's cgroup of version 2 (delegate.h); NULL where the host has
                     // none
    uint64_t tmp_bytes;
    uint64_t shm_bytes;
    char *control_path;
    uint64_t linger_ms; // UINT64_MAX: for ever
    uint64_t hangup_grace_ms, stop_grace_ms;
    bool kill_background;
    struct cgroup_write writes[MAX_CGROUP_WRITES];
    size_t write_count;
    // What lifts the limits on a disk, after its number; written when the sandbox ends.
    struct cgroup_write lifts[MAX_CGROUP_LIFTS];
    size_t lift_count;
};

// Parses every field after the header. 0, or -1 with `err`.
int spec_parse(struct spec *spec, struct wire_reader *reader, struct err *err);
