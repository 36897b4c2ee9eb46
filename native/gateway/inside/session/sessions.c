#include "inside/session/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inside/answer.h"
#include "inside/forward/forwards.h"
#include "inside/session/environment.h"
#include "inside/session/start.h"
#include "inside/session/terminal.h"
#include "inside/state.h"

// What Debian's sshd runs; the stand-in is there where an image has none.
#define SFTP_SERVER "/usr/lib/openssh/sftp-server"

static struct session *session_at(struct inside *inside, uint32_t slot) {
    for (size_t index = 0; index < MOST_SESSIONS; index++) {
        struct session *session = &inside->sessions[index];
        if (session->pid != 0 && session->slot == slot)
            return session;
    }
    return NULL;
}

static struct session *free_session(struct inside *inside) {
    for (size_t index = 0; index < MOST_SESSIONS; index++)
        if (inside->sessions[index].pid == 0)
            return &inside->sessions[index];
    return NULL;
}

// ---- what runs ------------------------------------------------------------------------------------------

// What was asked for, in words of a shell; NULL: a shell itself. False: there is no such thing.
static bool command_of(const struct request *request, const char **command) {
    *command = NULL;
    if (strcmp(request->kind, "shell") == 0)
        return request->argument == NULL;
    *command = request->argument;
    if (strcmp(request->kind, "exec") == 0)
        return request->argument != NULL;
    *command = SFTP_SERVER;
    return strcmp(request->kind, "subsystem") == 0 && request->argument != NULL &&
           strcmp(request->argument, "sftp") == 0;
}

struct pipes {
    int ours[3], theirs[3];
    unsigned count; // of ours: a terminal has one
    struct terminal terminal;
};

static void pipes_close(struct pipes *pipes) {
    for (size_t index = 0; index < 3; index++) {
        close_fd_at(&pipes->ours[index]);
        close_fd_at(&pipes->theirs[index]);
    }
    terminal_close(&pipes->terminal);
}

// A pair of sockets for each, as sshd's are: the hang-up of the last one tells the login client that nobody
// is there.
static int open_streams(struct pipes *pipes) {
    for (size_t index = 0; index < 3; index++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            return -1;
        pipes->ours[index] = pair[0];
        pipes->theirs[index] = pair[1];
    }
    pipes->count = 3;
    return 0;
}

static int open_terminal(struct pipes *pipes, const struct login *login, const struct request *request) {
    if (terminal_open(&pipes->terminal, login->uid, login->tty, request->size, request->modes,
                      request->mode_count) != 0)
        return -1;
    pipes->ours[0] = take_fd(&pipes->terminal.master);
    for (size_t index = 0; index < 3; index++)
        if ((pipes->theirs[index] = fcntl(pipes->terminal.slave, F_DUPFD_CLOEXEC, 3)) < 0)
            return -1;
    pipes->count = 1;
    return 0;
}

// ---- the start ------------------------------------------------------------------------------------------

static pid_t fork_session(struct inside *inside, const struct request *request, const char *command,
                          const struct pipes *pipes, const struct display *display) {
    const struct login *login = inside->login;
    const char *forced = login->rights.command;
    bool is_terminal = pipes->count == 1;
    char shown[32];
    if (display != NULL)
        (void)snprintf(shown, sizeof shown, "localhost:%u.%u", display->number, display->screen);
    const struct addresses addresses = {
        .terminal = is_terminal ? pipes->terminal.name : NULL,
        .agent = request->agent != 0 ? forwards_agent(inside->forwards) : NULL,
        .original = forced != NULL ? command : NULL,
        .display = display != NULL ? shown : NULL,
    };
    const char *runs = forced != NULL ? forced : command;
    char *const with_command[] = {"dockersh", "-c", (char *)(uintptr_t)runs, NULL};
    char *const without[] = {"-dockersh", NULL};
    struct environment environment;
    pid_t pid = -1;
    errno = ENOMEM;
    if (environment_make(&environment, login, request, &addresses) && (pid = fork()) == 0) {
        const struct start start = {
            .login = login,
            .arguments = runs != NULL ? with_command : without,
            .environment = environment.list,
            .streams = {pipes->theirs[0], pipes->theirs[1], pipes->theirs[2]},
            .is_terminal = is_terminal,
            .refusal = inside->joined ? NULL : inside->refusal,
            .display = display,
        };
        start_session(&start);
    }
    environment_free(&environment);
    return pid;
}

static int begin(struct inside *inside, struct session *session, const struct request *request,
                 const char *command) {
    const struct login *login = inside->login;
    struct display display;
    struct pipes pipes = {.ours = {CLOSED_FD, CLOSED_FD, CLOSED_FD},
                          .theirs = {CLOSED_FD, CLOSED_FD, CLOSED_FD},
                          .terminal = {.master = CLOSED_FD, .slave = CLOSED_FD}};
    bool shows = (request->has & HAS_X11) != 0 && login->rights.x11 && display_read(&display, request->x11);
    bool wants_terminal = (request->has & HAS_TERM) != 0 && login->rights.terminal;
    int opened = wants_terminal ? open_terminal(&pipes, login, request) : open_streams(&pipes);
    pid_t pid = opened == 0 ? fork_session(inside, request, command, &pipes, shows ? &display : NULL) : -1;
    int failure = errno, answered;
    if (pid < 0) {
        answered = answer_started(inside->connection, request->slot, failure, strerror(failure), NULL, 0);
    } else {
        *session = (struct session){.slot = request->slot,
                                    .pid = pid,
                                    .slave = take_fd(&pipes.terminal.slave),
                                    .is_forced = login->rights.command != NULL};
        answered = answer_started(inside->connection, request->slot, 0, NULL, pipes.ours, pipes.count);
    }
    pipes_close(&pipes);
    return answered;
}

int sessions_start(struct inside *inside, const struct request *request) {
    const char *command;
    struct session *session = free_session(inside);
    if (session_at(inside, request->slot) != NULL)
        return -1;
    if (session == NULL)
        return answer_started(inside->connection, request->slot, EAGAIN,
                              "This connection has as many sessions as it may.", NULL, 0);
    if (!command_of(request, &command))
        return answer_started(inside->connection, request->slot, ENOENT, "There is no such subsystem.", NULL,
                              0);
    return begin(inside, session, request, command);
}

// ---- while it runs --------------------------------------------------------------------------------------

// Those of RFC 4254, section 6.10. The process is our child, which we have not waited for: nobody else has
// its number.
static void send_signal(const struct session *session, uint32_t number) {
    static const int known[] = {SIGABRT, SIGALRM, SIGFPE,  SIGHUP,  SIGILL,  SIGINT, SIGKILL,
                                SIGPIPE, SIGQUIT, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++)
        if ((uint32_t)known[index] == number && !session->is_forced)
            (void)kill(session->pid, known[index]);
}

int sessions_tell(struct inside *inside, const struct request *request) {
    struct session *session = session_at(inside, request->slot);
    if (strcmp(request->kind, "signal") != 0)
        return -1;
    if (session != NULL) // else it has ended meanwhile
        send_signal(session, request->signal);
    return 0;
}

int sessions_reap(struct inside *inside) {
    int answered = 0;
    for (size_t index = 0; index < MOST_SESSIONS; index++) {
        struct session *session = &inside->sessions[index];
        int status;
        if (session->pid == 0 || waitpid(session->pid, &status, WNOHANG) != session->pid)
            continue;
        close_fd_at(&session->slave);
        if (answer_ended(inside->connection, session->slot, status) != 0)
            answered = -1;
        session->pid = 0;
    }
    return answered;
}
