// Closes connections of clients in whose queue there are descriptors: in processes that may be lost, because
// the last close of what is queued may never return. A few at a time for each user; further ones are kept
// open until there is one less, or until they are so many that one more process takes them all. How many
// there can be of them is bounded by what the kernel lets their sender have under way (RLIMIT_NOFILE,
// unix(7)).
//
// Of the launcher, for logins that are refused, and of each supervisor, for those that became sessions.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define CLOSING_MOST 8

// Those who close wait until this says that no process which is needed has a copy: its own would be the last
// one. For ten seconds at most.
void closing_when(bool (*ready)(void));
// Takes the connection, closes it as soon as that can be done, and never waits.
void closing_end(int *connection, uid_t uid);
// Reaps what has been done, and goes on with what is kept. Call when a child has ended.
void closing_check(void);
// Whether this user has as many such processes as they may.
bool closing_is_full(uid_t uid);
// Whether any such process is still there, whoever reaps them.
bool closing_goes_on(void);
// In a process that has been forked: the list is its parent's.
void closing_forget(void);
// Has everything that is kept closed, however many processes of this kind there are.
void closing_flush(void);
