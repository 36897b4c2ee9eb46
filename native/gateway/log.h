// Lines for the log: standard error, which is the journal's where systemd has started us.
#pragma once

#include <syslog.h>

// What others say in it is shown without the bytes that act on a terminal, and on one line.
void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
