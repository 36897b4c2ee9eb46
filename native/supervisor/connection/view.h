// The views of a sandbox: one for all connections whose sshd has the same mount namespace, made with the
// first of them (make.h). It is kept while it would not be made otherwise now, or is in use.
#pragma once

#include "connection/parts.h"
#include "supervisor.h"

#define MAX_VIEWS 16

struct view {
    bool used;
    struct parts parts;
    uint64_t signature;
    dev_t monitor_device; // of the mount namespace that it was made from
    ino_t monitor_inode;
    int namespaces[3];      // mount, network, UTS; CLOSED_FD: not there yet
    pid_t maker;            // 0: there is none any more
    int answer;             // from it
    uint64_t give_up_at_ns; // while it is being made
    size_t connections;
};

// Takes `parts`. NULL with `err` where there is none to be had.
struct view *view_get(struct supervisor *supervisor, int monitor, struct parts *parts, struct err *err);
// True when it is decided: the view is there, or there is `err`, and it can't be.
bool view_hear(struct view *view, struct err *err);
// A child has ended.
void view_reap(void);
// One connection less; NULL is none.
void view_release(struct view *view);
// Each one that is used, at its place in the list; NULL where none is.
struct view *view_at(size_t index);
// Takes the sandbox out of all of them, by processes of their own.
void view_detach_all(const struct supervisor *supervisor);
