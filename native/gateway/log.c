#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST_BYTES 1024

void log_line(int level, const char *format, ...) {
    char text[MOST_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    // A stranger chooses the names that are asked for, and what is no UTF-8 the journal does not show at all.
    for (char *at = text; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    char level_prefix[8] = "";
    if (getenv("JOURNAL_STREAM") != NULL)
        (void)snprintf(level_prefix, sizeof level_prefix, "<%d>", level);
    (void)dprintf(STDERR_FILENO, "%sdockersh-gateway[%d]: %s\n", level_prefix, (int)getpid(), text);
}
