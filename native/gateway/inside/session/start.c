#include "inside/session/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside/become.h"
#include "inside/login.h"
#include "sys.h"

#define EXIT_OURS 125
#define EXIT_REFUSED 254 // as sshd's, where its module lets nobody in
#define XAUTH "/usr/bin/xauth"
#define XAUTH_SECONDS 10
#define MOST_DISPLAY (65535 - 6000)
#define MOST_SCREEN 255

static bool consists_of(const char *text, const char *characters) {
    return text[0] != '\0' && text[strspn(text, characters)] == '\0';
}

bool display_read(struct display *display, const char *text) {
    int end = 0;
    if (sscanf(text, "%63s %255s %5u %5u%n", display->protocol, display->cookie, &display->screen,
               &display->number, &end) != 4 ||
        text[end] != '\0' || display->number > MOST_DISPLAY || display->screen > MOST_SCREEN)
        return false;
    return consists_of(display->protocol,
                       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") &&
           consists_of(display->cookie, "0123456789abcdefABCDEF") && strlen(display->cookie) % 2 == 0;
}

static void run_xauth(const struct display *display, const struct login *login) {
    char commands[512], home[4096], authority[4200];
    char *const arguments[] = {"xauth", "-q", "-", NULL};
    char *const environment[] = {home, authority, "PATH=/usr/bin:/bin", NULL};
    int ends[2];
    (void)snprintf(home, sizeof home, "HOME=%s", login->home);
    (void)snprintf(authority, sizeof authority, "XAUTHORITY=%s/.Xauthority", login->home);
    int length =
        snprintf(commands, sizeof commands, "remove unix:%u.%u\nadd unix:%u.%u %s %s\n", display->number,
                 display->screen, display->number, display->screen, display->protocol, display->cookie);
    if (pipe2(ends, O_CLOEXEC) != 0)
        _exit(EXIT_OURS);
    // Less than a pipe has room for, so that nobody waits.
    if (write(ends[1], commands, (size_t)length) != length || dup2(ends[0], 0) < 0)
        _exit(EXIT_OURS);
    (void)close(ends[1]);
    (void)alarm(XAUTH_SECONDS);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || sys_close_range(3, ~0u, 0) != 0)
        _exit(EXIT_OURS);
    (void)execve(XAUTH, arguments, environment);
    _exit(EXIT_OURS);
}

// A program of the host's, which works on the sandbox's home as the user: as sshd has it.
static void tell_xauth(const struct start *start) {
    pid_t pid = fork();
    if (pid == 0)
        run_xauth(start->display, start->login);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void say(const char *text, bool is_terminal) {
    char line[2048];
    int length = snprintf(line, sizeof line, "dockersh: %s%s\n", text, is_terminal ? "\r" : "");
    if (length > 0)
        (void)!write(2, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

_Noreturn void start_session(const struct start *start) {
    (void)setsid();
    (void)umask(022);
    for (int number = 0; number < 3; number++)
        if (dup2(start->streams[number], number) < 0)
            _exit(EXIT_OURS);
    if (start->is_terminal && ioctl(0, TIOCSCTTY, 0) != 0)
        _exit(EXIT_OURS);
    become_user(start->login);
    if (sys_close_range(3, ~0u, 0) != 0)
        _exit(EXIT_OURS);
    if (start->refusal != NULL) {
        say(start->refusal, start->is_terminal);
        _exit(EXIT_REFUSED);
    }
    if (start->display != NULL)
        tell_xauth(start);
    (void)execve(start->login->client, start->arguments, start->environment);
    char text[256];
    (void)snprintf(text, sizeof text, "Your session can't be started: %s.", strerror(errno));
    say(text, start->is_terminal);
    _exit(EXIT_OURS);
}
