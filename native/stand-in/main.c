// dockersh-stand-in: takes the place of programs that an image lacks and that people who come by ssh need.
// Runs inside, as the user, with what is theirs; the daemon puts it there in a layer below those of the
// image, so that whatever the image has of its own comes first (src/images/stand-in/stand-in.ts).
//
// Called dockersh it asks the daemon for what the user may have (login/answer/ask.h).
//
// Called sftp-server it becomes the host's, with the libraries that were brought along: an image may have
// another C library, or none.
//
// Called anything else it is the shell of an image that has none. It runs a command of plain words, such as
// sshd has a shell run for sftp and scp, and says so where a command asks for more. It is not meant to grow
// into a shell: whatever a shell would read as anything but plain words is refused, so that nothing is ever
// run in another sense than was meant.

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/ask.h"

#define FOLDER "/usr/lib/dockersh/sftp"
#define MOST_WORDS 1024

extern char **environ;

static _Noreturn void fail_with(int status, const char *what) {
    char line[512];
    int length = snprintf(line, sizeof line, "dockersh: %s\n", what);
    if (length > 0)
        (void)!write(2, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    _exit(status);
}

static _Noreturn void fail_errno(const char *what) {
    char text[256];
    int status = errno == ENOENT ? 127 : 126;
    (void)snprintf(text, sizeof text, "%.150s: %s", what, strerror(errno));
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    fail_with(status, text);
}

// By its own dynamic linker: that of the image, where there is one, is another library's.
static _Noreturn void run_sftp_server(int argc, char **argv) {
    static char *words[MOST_WORDS + 5];
    static char linker[] = FOLDER "/ld.so", option[] = "--library-path", folder[] = FOLDER,
                server[] = FOLDER "/sftp-server";
    int count = 0;
    words[count++] = linker;
    words[count++] = option;
    words[count++] = folder;
    words[count++] = server;
    for (int index = 1; index < argc && index < MOST_WORDS; index++)
        words[count++] = argv[index];
    (void)execve(linker, words, environ);
    fail_with(127, "the image has no sftp-server, and neither has this host.");
}

// What a shell takes for more than a part of a word.
static bool is_plain(const char *command) {
    size_t first = strspn(command, " \t");
    return strpbrk(command, "|&;<>()$`\\\"'*?[]#~{}!\n\r") == NULL &&
           memchr(command + first, '=', strcspn(command + first, " \t")) == NULL;
}

static _Noreturn void run_words(char *command) {
    static char *words[MOST_WORDS + 1];
    int count = 0;
    if (!is_plain(command))
        fail_with(
            127,
            "this image has no shell, and the command needs one: only a program and plain words can be run.");
    for (char *word = strtok(command, " \t"); word != NULL; word = strtok(NULL, " \t")) {
        if (count == MOST_WORDS)
            fail_with(127, "this image has no shell, and the command has too many words.");
        words[count++] = word;
    }
    if (count == 0)
        _exit(0);
    (void)execvp(words[0], words);
    fail_errno(words[0]);
}

int main(int argc, char **argv) {
    const char *name = argc > 0 ? argv[0] : "";
    const char *slash = strrchr(name, '/');
    const char *called = slash != NULL ? slash + 1 : name;
    if (strcmp(called, "sftp-server") == 0)
        run_sftp_server(argc, argv);
    if (strcmp(called, "dockersh") == 0) {
        if (ask_is_meant(argc, argv))
            ask_run(argc, argv);
        fail_with(64, "usage: dockersh WORD …; \"dockersh help\" lists the words.");
    }
    if (argc == 3 && strcmp(argv[1], "-c") == 0)
        run_words(argv[2]);
    fail_with(
        127,
        "this image has no shell. What it has can be run by name: ssh HOST PROGRAM [WORD …]. sftp works.");
}
