// Holds things of every kind that processes talk by, for attacks from another sandbox to aim at.
#pragma once

// A program of the host's that is locked and used.
#define USED_PROGRAM "/usr/bin/env"
// Of the process that holds, and of its children.
#define HELD_NAME "dockersh-held"
#define HELD_PROCESSES 16

int hold(const char *prefix);
