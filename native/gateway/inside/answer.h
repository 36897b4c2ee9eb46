// Answers of the monitor's to what the connection process has asked for.
#pragma once

#include <stdint.h>

// 0, or -1 where the connection process has gone. `code`: an errno, or 0; `text`: NULL: nothing is to be
// said.
int answer_started(int connection, uint32_t slot, int code, const char *text, const int *fds, unsigned count);
int answer_opened(int connection, uint32_t slot, int code, const char *text);
// `status`: as waitpid(2) has it.
int answer_ended(int connection, uint32_t slot, int status);
