// The sandbox's own books of who is logged in: what who(1), w(1), wall(1) and write(1) inside read. A file
// /run/utmp with a record for each terminal session, and a folder /run/systemd/sessions with a file for each:
// programs of newer systems ask the second alone (coreutils 9.4 and later, where they are built so).
//
// Both belong to the user, and are written by processes of the user's, inside: nobody trusts what they say,
// and a user who writes there fools nobody else.
#pragma once

#include <sys/types.h>

// Makes them in a fresh /run. What is there already (the policy has mounted something) stays as it is, and
// is not written to.
void books_make(int run, uid_t uid, gid_t gid);
// Notes the session of the calling process, which is about to become the user's program: whose it is and from
// where says its environment. `slot` of the shared page, `terminal` its number inside, or -1. Call as the
// user, inside. The process's number inside, or 0 where there is nothing to note, or it could not be.
pid_t books_enter(char *const *environment, unsigned slot, int terminal);
// Takes the session out again, which `pid` inside led, and with it all others whose leaders are gone. Never
// returns; as books_enter().
_Noreturn void books_leave(unsigned slot, pid_t pid);
