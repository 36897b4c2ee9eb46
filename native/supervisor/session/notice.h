// Tells those who are in a sandbox what happens to it: on their own terminals, through their clients, and
// where a session ends with the sandbox, with its end. Nothing is written to a file of the sandbox's.
#pragma once

#include "supervisor.h"

// When a client was last told that its session has ended; 0: never.
uint64_t notice_told_ns(void);
// Somebody is told now, by others.
void notice_told(void);
// The session has ended: its client is told, where it has one. `kind` 0: exit status, 1: signal.
void notice_exit(const struct session *session, uint32_t kind, uint32_t code, const char *text);
// Whether its client reads what it is told. One that is stopped does not, and there must be room for the
// session's end when it goes on.
bool notice_has_room(const struct session *session);
// Has the clients that have a terminal print the text there.
void notice_say(struct supervisor *supervisor, const char *text);
// Has those who are at the session, and look at it, print the text.
void notice_one(const struct supervisor *supervisor, const struct session *session, const char *text);
// As notice_say, of the sandbox's end.
void notice_end(struct supervisor *supervisor);
// Why a session ends whose program was run; `kind` and `code` as notice_exit has them.
enum cause notice_cause(struct supervisor *supervisor, const struct session *session, uint32_t kind,
                        uint32_t code);
// What is said with the end of a session that nobody at it has asked for; "" for nothing. Valid as long as
// the supervisor is.
const char *notice_of_end(const struct supervisor *supervisor, const struct session *session,
                          enum cause cause);
// Why a session has not begun, in words for its user. `detail`: what failed.
void notice_of_failure(const struct session *session, enum failure failure, const char *detail, char *text,
                       size_t size);
// Ends the sessions that are still there, for a sandbox whose end there are words for, and settles its cause.
void notice_last(struct supervisor *supervisor);
