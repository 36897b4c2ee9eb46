// Makes a view: the mount namespace that sshd's processes of a connection get. It shows what sshd needs of
// the host, read-only, and /tmp, /var/tmp, /dev/shm, the home and /run/user/UID of the sandbox, at their own
// paths. Everything else does not exist there.
//
// Runs in a process of its own, which a file system inside may hold up for as long as it likes; then it is
// killed.
#pragma once

#include <sys/types.h>

#include "connection/parts.h"
#include "spec.h"

struct view_maker {
    const struct spec *spec;
    const struct parts *parts;
    pid_t init_pid;
    int init_pidfd;
    int monitor; // the mount namespace of sshd's monitor, which the host's part is taken from
    int answer;  // where MSG_JOINED goes with the namespaces, or MSG_FAILED
};

_Noreturn void view_make(const struct view_maker *maker);
// Takes everything of the sandbox out of a view, for the end of the sandbox: whatever sshd's processes do
// there, nothing is kept by a name in it.
_Noreturn void view_detach(int view, uid_t uid, const struct parts *parts);

// ---- trees.c: what of the sandbox is shown, at which path ----

#define VIEW_TREES 6
struct view_trees {
    int trees[VIEW_TREES];         // CLOSED_FD: it is not there
    const char *paths[VIEW_TREES]; // NULL: it is not shown, or with another one
    char user[32];
};

void view_paths(struct view_trees *trees, uid_t uid, const struct parts *parts);
// Whether the path is in one of them.
bool view_is_sandbox(const struct view_trees *trees, const char *path);
// In a process that does nothing else afterwards where it is; `init_pidfd` is the sandbox's PID 1's.
int view_take_sandbox(struct view_trees *trees, int init_pidfd, const struct parts *parts, struct err *err);
// Attaches them in the view, whose root is `root`.
void view_attach_sandbox(struct view_trees *trees, int root);

// ---- host.c, etc.c, point.c: what of the host is shown ----

// Of the namespace that the process is in, below `root`, which is ours.
int view_add_host(int root, const struct parts *parts, struct err *err);
// A folder of ours with links to the host's files, and a few files of its own.
int view_add_etc(int root, const struct view_maker *maker, struct err *err);
// A folder or an empty file to mount on, with the folders above it, below `root`: a path of ours. -1 with
// errno.
int view_point(int root, const char *path, bool folder);
// How a copy of the host's tree or file is attached.
enum view_kind { VIEW_READ, VIEW_BOOK, VIEW_TERMINALS };
// 0 also where it is not there.
int view_show(int root, const char *path, const char *target, enum view_kind kind, struct err *err);
