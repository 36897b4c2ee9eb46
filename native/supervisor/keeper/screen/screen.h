// Has viewers shown what the terminal shows, by a screen (src/screen): a process that the supervisor starts
// when it is asked to, and that has no memory. It is told the last checkpoint and what came since, answers
// with what to send to each viewer and with the next checkpoint, and ends. Where it does not, the programs on
// the terminal are asked to show themselves.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

// `in_doubt`: another keeper was here before.
void screen_begin(bool in_doubt);
void screen_output(const char *bytes, size_t length);
void screen_size(const struct winsize *size);
// Some viewer is to be shown everything.
void screen_want(void);
// From the supervisor; CLOSED_FD: there is none to be had.
void screen_given(int socket);
// Descriptor to wait at, or CLOSED_FD; and for what.
int screen_poll(short *events);
void screen_go_on(short events);
uint64_t screen_next_ns(void);
void screen_due(uint64_t now);
// Whether the terminal is not to be read: what it would show next comes behind what the screen is about to
// say.
bool screen_holds(void);
