#include "answer/ask.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer/refusal.h"
#include "client.h"
#include "leave.h"
#include "reach.h"

bool ask_is_meant(int argc, char **argv) {
    struct stat info;
    return argc >= 2 && argv[0][0] != '-' && argv[1][0] != '-' && argv[1][0] != '\0' &&
           stat(ASKING_SOCKET, &info) == 0 && S_ISSOCK(info.st_mode);
}

// With one blank between them. A word with a blank in it is none that there is; the daemon says so.
static size_t join(int argc, char **argv, char *text, size_t size) {
    size_t used = 0;
    for (int index = 1; index < argc && used < size; index++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", index == 1 ? "" : " ", argv[index]);
    return used;
}

_Noreturn void ask_run(int argc, char **argv) {
    static uint8_t answer[WIRE_MAX_BYTES];
    char text[ASKING_MOST_BYTES + 1];
    size_t length = join(argc, argv, text, sizeof text);
    if (length > ASKING_MOST_BYTES)
        fail("That is longer than anything that can be asked for. \"dockersh help\" lists the words.");
    int connection = reach_dial(ASKING_SOCKET);
    if (connection < 0 || send(connection, text, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("The login service can't be asked from this sandbox.");
    ssize_t got = recv(connection, answer, sizeof answer, 0);
    struct wire_reader reader;
    if (got <= 0 || !wire_open(&reader, answer, (size_t)got))
        fail("The login service has given no answer. You may have no right to ask, or it was restarted "
             "meanwhile: "
             "\"dockersh status\" says how things are.");
    if (reader.type == MSG_REPORT)
        report_answer(&reader);
    report_refusal(&reader);
}
