#include "message.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "environ.h"
#include "leave.h"
#include "wire.h"

#define ORIGINAL_COMMAND "SSH_ORIGINAL_COMMAND="

extern char **environ;

size_t message_write(uint8_t *bytes, size_t size, uint64_t started, const char *user, uint32_t view, int argc,
                     char **argv) {
    struct wire_writer writer;
    wire_start(&writer, bytes, size, MSG_LOGIN);
    wire_put_u64(&writer, TAG_TIME, started);
    mode_t mask = umask(0);
    (void)umask(mask);
    wire_put_u32(&writer, TAG_UMASK, mask);
    const char *path = (const char *)getauxval(AT_EXECFN); // NOLINT: the kernel's own string
    if (user != NULL)
        wire_put_text(&writer, TAG_USER, user);
    else
        wire_put_text(&writer, TAG_EXEC_PATH, path != NULL ? path : "");
    if (view != 0)
        wire_put_u32(&writer, TAG_VIEW, view);
    for (int index = 0; index < argc; index++)
        wire_put_text(&writer, TAG_ARG, argv[index]);
    environ_write(&writer, environ, user == NULL); // nothing of root's that a session does not need
    return wire_finish(&writer, 3);
}

_Noreturn void message_fail_too_large(int argc, char **argv) {
    size_t command = 0;
    char text[320];
    for (int index = 0; index < argc; index++)
        command += WIRE_FIELD_BYTES + strlen(argv[index]);
    for (char **entry = environ; *entry != NULL; entry++)
        command += strncmp(*entry, ORIGINAL_COMMAND, strlen(ORIGINAL_COMMAND)) == 0
                       ? WIRE_FIELD_BYTES + strlen(*entry)
                       : 0;
    (void)snprintf(
        text, sizeof text,
        "The command and variables of this login are too large (the command: %zu KiB, the variables that "
        "came with the login: %zu KiB; all together may have %d KiB). Give a shorter command, or send fewer "
        "variables. [E_TOO_LARGE]",
        (command + 1023) / 1024, (environ_bytes(environ) + 1023) / 1024, WIRE_MAX_BYTES / 1024);
    fail(text);
}
