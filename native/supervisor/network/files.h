// Writes what a sandbox shows of its network in /run/dockersh, and again when it changes: the name server to
// ask with the host's search list (/etc/resolv.conf is a link to it), and which ports are published.
//
// The files belong to the sandbox's root. What root inside has changed there stays as it is.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "err.h"
#include "network/publish.h"
#include "plan.h"

enum network_file { FILE_RESOLV_CONF, FILE_PUBLISHED, NETWORK_FILES };

struct network_files {
    int folder; // CLOSED_FD: there is none
    struct written {
        ino_t inode;
        struct timespec changed;
        uint64_t sum; // of the text
    } written[NETWORK_FILES];
};

// Makes the folder, in the /run that the sandbox will have and nobody has seen yet, below `root`.
int network_files_open(struct network_files *files, int root, uid_t uid, gid_t gid, struct err *err);
// What can't be written now (the sandbox's root has filled /run) stays as it was.
void network_files_write(struct network_files *files, const struct net_plan *plan,
                         const struct publisher *publisher);
void network_files_close(struct network_files *files);
