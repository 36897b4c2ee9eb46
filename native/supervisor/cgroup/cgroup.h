// Makes the sandbox's cgroups and puts its processes into them. Moving a process into a cgroup waits for an
// RCU grace period (7 to 20 ms measured), so nothing may be moved while somebody waits for a login:
//
// v1 (and hybrid hosts, whose controllers are v1): the cgroups are made and the spawner is moved in
//    ahead of time, under a provisional name; when the sandbox gets its user they are renamed, which
//    v1 allows. PID 1 and every session are forked from the spawner and so are members from birth.
// v2: has no rename, but a process can be born in a cgroup (CLONE_INTO_CGROUP), so the cgroup is made
//    when the user is known and the spawner is born in it.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "spec.h"
#include "sys.h"

#define MAX_HIERARCHIES 8

struct cgroups {
    int version;  // 1 or 2
    size_t count; // hierarchies (1 for v2)
    char *parents[MAX_HIERARCHIES];
    char name[64]; // of our folder under each parent; empty: none made
};

// Reads the parents from MSG_PREPARE.
int cgroups_parse(struct cgroups *cgroups, struct wire_reader *reader, struct err *err);
int cgroups_make(struct cgroups *cgroups, const char *name, struct err *err);
int cgroups_rename(struct cgroups *cgroups, const char *name, struct err *err);
// Writes the limits. A limit that the kernel refuses fails the start: it is never dropped.
int cgroups_apply(const struct cgroups *cgroups, const struct spec *spec, struct err *err);
int cgroups_attach(const struct cgroups *cgroups, pid_t pid, struct err *err);
// An O_PATH descriptor of hierarchy 0, for CLONE_INTO_CGROUP.
int cgroups_open(const struct cgroups *cgroups, struct err *err);
// Has a child be born where the sandbox's processes are, where the cgroups are of version 2: `args` for its
// clone3(2), and `*cgroup`, which is to be open until then. `started`: delegate.h says of what. 0, or -1 with
// `err`: then it is born where its parent is.
int cgroups_birth(const struct cgroups *cgroups, const struct spec *spec, bool started,
                  struct sys_clone_args *args, int *cgroup, struct err *err);
// Lifts what limits disks, for a sandbox that ends: who is last in it takes its mounts away, which writes
// back whatever their file system has not written yet.
void cgroups_free_disks(const struct cgroups *cgroups, const struct spec *spec);
// Removes the folders; waits a little for processes that are still being reaped.
void cgroups_remove(struct cgroups *cgroups);

// Puts this process there by another one: somebody waits for what it does, and moving a process takes long.
// Where it can't be put there it stays where it is.
void cgroups_attach_meanwhile(const struct cgroups *cgroups);
