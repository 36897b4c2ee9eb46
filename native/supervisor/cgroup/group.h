// Counts a sandbox's processes and signals them: a session's process group, every process of its terminal
// session, or the whole sandbox.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"

// Whether it has been killed, or is on its way out for another reason: it may be long until it can be waited
// for.
bool process_ends(pid_t pid);
// A process as its user is told of it.
struct process {
    int session;
    char name[16]; // whatever its user calls it
};

// False where it is not in this PID namespace, or not alive any more.
bool process_look(pid_t pid, ino_t pid_namespace, struct process *process);
// What it has read and written, and all that it has waited for: by read(2), write(2) and their like, whatever
// the descriptor was (proc_pid_io(5), rchar and wchar). Of one that has ended, until it is waited for. False:
// the kernel does not say.
bool process_moved(pid_t pid, uint64_t *read_bytes, uint64_t *written_bytes);
// The PID namespace a process is in, as an inode number; 0 for one that is gone.
ino_t pid_namespace_of(pid_t pid);
void group_signal(pid_t leader, int number);
// Finds the processes through the sandbox's cgroup, so that no other sandbox's can be meant.
void session_signal(const struct cgroups *cgroups, pid_t leader, int number);
// To everybody in the sandbox but its PID 1: whoever is in the cgroup and in PID 1's PID namespace, which
// the spawner is not. PID 1 itself may signal nobody, it has no capability.
void sandbox_signal(const struct cgroups *cgroups, pid_t init, int number);
// SIGHUP to those of them that have a terminal, whether it is still there or not.
void sandbox_hang_up(const struct cgroups *cgroups, pid_t init);
