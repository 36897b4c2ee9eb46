// The stopwatch of script/bench. Starting programs from Node adds a millisecond of noise to what takes
// two, so the timed part is here: a small process that forks, executes, waits and says how long it took.
//
// usage: spawn KIND :: UID GID NAME HOME MOUNTS ARGV0 FILE [ARG …] [:: …]
//
// Runs as root; each command is executed as its own UID and GID, with the environment of a login, in the
// mount namespace that the path MOUNTS leads to ("-": this one; "=PID": all namespaces of that process, which
// is what entering a container costs at least). Reads the index of a command (from 0) on every line of stdin,
// runs it once and answers with one line:
//   run      MICROSECONDS STATUS            start to exit, stdin and stdout on /dev/null
//   prompt   MICROSECONDS STATUS            start to the first prompt on a new PTY; then "exit 7" is typed
//   read     MICROSECONDS STATUS BYTES      the command's stdout to its end
//   write    MICROSECONDS STATUS BYTES      BYTES of the command's argument count, by its own account ("wc
//   -c") numbers  MICROSECONDS STATUS LINES      PTY output 1, 2, 3 …; LINES is how many came in order, whole
//   many     MICROSECONDS FAILURES          NAME is a list a,b,c: all at once, "{}" in arguments being the
//   name

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define BUFFER_BYTES (256 * 1024)
#define PROMPT_TIMEOUT_MS 20000
#define MOST_COMMANDS 64
#define MOST_ARGUMENTS 256
#define MOST_PROCESSES 1024

struct command {
    uid_t uid;
    gid_t gid;
    const char *name;
    const char *home;
    int mounts;  // -1: ours
    int process; // a pidfd, or -1
    const char *file;
    char **arguments; // from argv[0] on, ended by NULL
};

// What a child's three descriptors become; -1 leaves ours.
struct streams {
    int in, out, err;
    const char *pts; // when set: a controlling terminal for all three instead
};

static char buffer[BUFFER_BYTES];

static _Noreturn void die(const char *what) {
    (void)fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static double us_since(int64_t start) {
    return (double)(now_ns() - start) / 1000;
}

// The PID namespace is that of children alone.
static void enter(int process) {
    if (setns(process, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
                           CLONE_NEWIPC | CLONE_NEWCGROUP) != 0)
        _exit(123);
    pid_t inside = fork();
    if (inside == 0)
        return;
    int status;
    if (inside < 0 || waitpid(inside, &status, 0) != inside)
        _exit(124);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static _Noreturn void child(const struct command *command, const struct streams *streams) {
    static char home[512], user[300], logname[300];
    (void)snprintf(home, sizeof home, "HOME=%s", command->home);
    (void)snprintf(user, sizeof user, "USER=%s", command->name);
    (void)snprintf(logname, sizeof logname, "LOGNAME=%s", command->name);
    char *environment[] = {home,           user, logname, PATH, "SHELL=/bin/bash", "TERM=xterm-256color",
                           "LANG=C.UTF-8", NULL};
    int in = streams->in, out = streams->out, err = streams->err;
    if (streams->pts != NULL) {
        (void)setsid();
        in = out = err = open(streams->pts, O_RDWR | O_CLOEXEC);
        if (in < 0)
            _exit(120);
        (void)ioctl(in, TIOCSCTTY, 0);
    }
    if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0) || (err >= 0 && dup2(err, 2) < 0))
        _exit(121);
    if (command->mounts >= 0 && setns(command->mounts, CLONE_NEWNS) != 0)
        _exit(123);
    if (command->process >= 0)
        enter(command->process);
    if (command->uid != 0 && (setgroups(1, &command->gid) != 0 || setgid(command->gid) != 0 ||
                              setuid(command->uid) != 0 || chdir("/") != 0))
        _exit(122);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execve(command->file, command->arguments, environment);
    _exit(127);
}

static pid_t start(const struct command *command, const struct streams *streams) {
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        child(command, streams);
    return pid;
}

static int status_of(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            die("waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int null_device(void) {
    static int fd = -1;
    if (fd < 0 && (fd = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
        die("/dev/null");
    return fd;
}

static void make_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe2");
}

static int open_terminal(char *pts, size_t size) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, pts, size) != 0)
        die("posix_openpt");
    struct winsize window = {.ws_row = 24, .ws_col = 80};
    (void)ioctl(master, TIOCSWINSZ, &window);
    return master;
}

// A user's program opens the terminal after it has become that user.
static void give_terminal(const char *pts, const struct command *command) {
    if (chown(pts, command->uid, command->gid) != 0)
        die("chown of the terminal");
}

static void run(const struct command *command) {
    struct streams streams = {null_device(), null_device(), -1, NULL};
    int64_t begin = now_ns();
    pid_t pid = start(command, &streams);
    int status = status_of(pid);
    printf("%.1f %d\n", us_since(begin), status);
}

// Reads until the screen's last characters are those of a shell's prompt. False at the end of the
// output or when nothing comes any more.
static bool await_prompt(int master) {
    char tail[2] = "";
    struct pollfd waiting = {.fd = master, .events = POLLIN};
    while (poll(&waiting, 1, PROMPT_TIMEOUT_MS) > 0) {
        ssize_t length = read(master, buffer, sizeof buffer);
        if (length <= 0)
            return false;
        for (ssize_t index = length < 2 ? 0 : length - 2; index < length; index++) {
            tail[0] = tail[1];
            tail[1] = buffer[index];
        }
        if ((tail[0] == '$' || tail[0] == '#') && tail[1] == ' ')
            return true;
    }
    return false;
}

static void prompt(const struct command *command) {
    char pts[64];
    int master = open_terminal(pts, sizeof pts);
    give_terminal(pts, command);
    struct streams streams = {-1, -1, -1, pts};
    int64_t begin = now_ns();
    pid_t pid = start(command, &streams);
    bool seen = await_prompt(master);
    double took = us_since(begin);
    if (seen)
        (void)!write(master, "exit 7\r", 7);
    while (read(master, buffer, sizeof buffer) > 0)
        continue;
    close(master);
    int status = status_of(pid);
    printf("%.1f %d\n", took, seen ? status : 124);
}

static void read_all(const struct command *command) {
    int ends[2];
    make_pipe(ends);
    struct streams streams = {null_device(), ends[1], -1, NULL};
    int64_t begin = now_ns();
    pid_t pid = start(command, &streams);
    close(ends[1]);
    int64_t total = 0;
    ssize_t length;
    while ((length = read(ends[0], buffer, sizeof buffer)) > 0)
        total += length;
    double took = us_since(begin);
    close(ends[0]);
    printf("%.1f %d %lld\n", took, status_of(pid), (long long)total);
}

// The command's last argument is how many bytes to write to it; it gets the rest of its arguments.
static void write_all(const struct command *command) {
    int input[2], output[2];
    make_pipe(input);
    make_pipe(output);
    size_t count = 0;
    while (command->arguments[count] != NULL)
        count++;
    char *size = command->arguments[count - 1];
    command->arguments[count - 1] = NULL;
    struct streams streams = {input[0], output[1], -1, NULL};
    int64_t left = strtoll(size, NULL, 10);
    memset(buffer, 'x', sizeof buffer);
    int64_t begin = now_ns();
    pid_t pid = start(command, &streams);
    close(input[0]);
    close(output[1]);
    while (left > 0) {
        ssize_t length =
            write(input[1], buffer, left < (int64_t)sizeof buffer ? (size_t)left : sizeof buffer);
        if (length <= 0)
            break;
        left -= length;
    }
    close(input[1]);
    ssize_t length = read(output[0], buffer, sizeof buffer - 1);
    double took = us_since(begin);
    close(output[0]);
    buffer[length > 0 ? length : 0] = '\0';
    int status = status_of(pid);
    printf("%.1f %d %lld\n", took, status, strtoll(buffer, NULL, 10));
    command->arguments[count - 1] = size;
}

struct counter {
    long long number; // of the line that is being compared
    char expected[24];
    size_t length, position;
    bool broken;
};

static void expect_next(struct counter *counter) {
    counter->number++;
    counter->length =
        (size_t)snprintf(counter->expected, sizeof counter->expected, "%lld\r\n", counter->number);
    counter->position = 0;
}

static void compare(struct counter *counter, const char *bytes, size_t length) {
    while (length > 0 && !counter->broken) {
        size_t piece = counter->length - counter->position;
        if (piece > length)
            piece = length;
        counter->broken = memcmp(counter->expected + counter->position, bytes, piece) != 0;
        bytes += piece;
        length -= piece;
        counter->position += piece;
        if (counter->position == counter->length && !counter->broken)
            expect_next(counter);
    }
}

static void numbers(const struct command *command) {
    char pts[64];
    int master = open_terminal(pts, sizeof pts);
    give_terminal(pts, command);
    struct streams streams = {-1, -1, -1, pts};
    struct counter counter = {0};
    expect_next(&counter);
    int64_t begin = now_ns();
    pid_t pid = start(command, &streams);
    ssize_t length;
    while ((length = read(master, buffer, sizeof buffer)) > 0)
        compare(&counter, buffer, (size_t)length);
    double took = us_since(begin);
    close(master);
    printf("%.1f %d %lld\n", took, status_of(pid), counter.number - 1);
}

// A copy of the text with every {} replaced by the name; never freed, the process is short-lived.
static char *replaced(const char *text, const char *name) {
    size_t size = strlen(text) * (strlen(name) + 1) + 1;
    char *copy = calloc(1, size);
    if (copy == NULL)
        die("calloc");
    for (char *to = copy; *text != '\0';) {
        if (text[0] == '{' && text[1] == '}') {
            to = stpcpy(to, name);
            text += 2;
        } else {
            *to++ = *text++;
        }
    }
    return copy;
}

static void many(const struct command *command) {
    static pid_t pids[MOST_PROCESSES];
    static char *arguments[MOST_PROCESSES][32];
    char *names = strdup(command->name), *rest = names, *name;
    size_t count = 0;
    while ((name = strsep(&rest, ",")) != NULL && count < MOST_PROCESSES) {
        for (size_t index = 0; index < 31 && command->arguments[index] != NULL; index++)
            arguments[count][index] = replaced(command->arguments[index], name);
        count++;
    }
    struct command each = *command;
    each.name = "root";
    struct streams streams = {null_device(), null_device(), -1, NULL};
    int64_t begin = now_ns();
    for (size_t index = 0; index < count; index++) {
        each.arguments = arguments[index];
        pids[index] = start(&each, &streams);
    }
    int failures = 0;
    for (size_t index = 0; index < count; index++)
        failures += status_of(pids[index]) != 0;
    printf("%.1f %d\n", us_since(begin), failures);
    free(names);
}

static const struct {
    const char *name;
    void (*measure)(const struct command *command);
} kinds[] = {{"run", run},         {"prompt", prompt},   {"read", read_all},
             {"write", write_all}, {"numbers", numbers}, {"many", many}};

static size_t parse(char **arguments, struct command *commands) {
    size_t count = 0;
    while (*arguments != NULL) {
        char **field = arguments + 1; // after the "::"
        size_t length = 0;
        while (field[length] != NULL && strcmp(field[length], "::") != 0)
            length++;
        if (length < 7 || length > MOST_ARGUMENTS || count == MOST_COMMANDS) {
            errno = EINVAL;
            die("arguments");
        }
        arguments = field + length;
        char **own = calloc(length, sizeof *own); // argv[0] and the arguments after FILE, and NULL
        if (own == NULL)
            die("calloc");
        own[0] = field[5];
        for (size_t index = 7; index < length; index++)
            own[index - 6] = field[index];
        struct command *command = &commands[count++];
        *command = (struct command){.name = field[2], .home = field[3], .mounts = -1, .process = -1};
        command->uid = (uid_t)strtoul(field[0], NULL, 10);
        command->gid = (gid_t)strtoul(field[1], NULL, 10);
        command->file = field[6];
        command->arguments = own;
        if (field[4][0] == '=') {
            command->process = (int)syscall(SYS_pidfd_open, atoi(field[4] + 1), 0);
            if (command->process < 0)
                die(field[4]);
        } else if (strcmp(field[4], "-") != 0 && (command->mounts = open(field[4], O_RDONLY | O_CLOEXEC)) < 0)
            die(field[4]);
    }
    return count;
}

int main(int argc, char **argv) {
    static struct command commands[MOST_COMMANDS];
    void (*measure)(const struct command *) = NULL;
    for (size_t index = 0; argc > 1 && index < sizeof kinds / sizeof kinds[0]; index++) {
        if (strcmp(argv[1], kinds[index].name) == 0)
            measure = kinds[index].measure;
    }
    if (measure == NULL) {
        errno = EINVAL;
        die("usage: spawn KIND :: UID GID NAME HOME MOUNTS ARGV0 FILE [ARG …] [:: …]");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    size_t count = parse(argv + 2, commands);
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t index = strtoul(line, NULL, 10);
        if (index >= count)
            break;
        measure(&commands[index]);
        (void)fflush(stdout);
    }
    return 0;
}
