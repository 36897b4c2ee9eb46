#include "session/child.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "books/books.h"
#include "cleanup.h"
#include "kept/child.h"
#include "session/agent.h"
#include "session/streams.h"
#include "sys.h"
#include "variables.h"

#define MAX_STRINGS 4096
#define MAX_GROUPS 256
#define MAX_RLIMITS 16
#define EXIT_OURS 125

extern char **environ;

// How the program is found, and whether a missing shell is worth a word.
enum program_kind { PROGRAM_SHELL, PROGRAM_DIRECT, PROGRAM_QUIET_SHELL };

struct plan {
    char *arguments[MAX_STRINGS + 1];
    char *environment[MAX_STRINGS + 1];
    size_t argument_count, environment_count, group_count;
    gid_t groups[MAX_GROUPS];
    uint32_t uid, gid, mask;
    uint64_t limits[MAX_RLIMITS][3]; // resource, soft, hard
    size_t limit_count;
    uint32_t kind; // enum program_kind
    uint32_t nice;
    char *banner;
    char *program;
    char *folder;
};

static _Noreturn void give_up(struct slot *slot, const char *what, const char *object) {
    (void)err_sys(&slot->err, what, object);
    _exit(EXIT_OURS);
}

static _Noreturn void give_up_plan(struct slot *slot) {
    (void)err_plain(&slot->err, FAILURE_PROTOCOL, "read the session's specification", NULL);
    _exit(EXIT_OURS);
}

// Nothing of the user's has run. Where there is no error, the client has gone: as when the line goes later.
static _Noreturn void leave_unbegun(const struct slot *slot) {
    if (slot->err.code == FAILURE_NONE)
        (void)raise(SIGHUP);
    _exit(EXIT_OURS);
}

static bool add_string(char **list, size_t *count, const struct wire_field *field) {
    if (*count == MAX_STRINGS)
        return false;
    list[*count] = wire_text(field);
    return list[(*count)++] != NULL;
}

static bool add_limit(struct plan *plan, const struct wire_field *field) {
    if (field->length != sizeof plan->limits[0] || plan->limit_count == MAX_RLIMITS)
        return false;
    memcpy(plan->limits[plan->limit_count++], field->value, sizeof plan->limits[0]);
    return true;
}

static bool set_limit(const uint64_t *values) {
    struct rlimit current, wanted = {.rlim_cur = values[1], .rlim_max = values[2]};
    if (getrlimit((int)values[0], &current) != 0)
        return false;
    // Without the privilege to raise a hard limit, the one in force is the most there can be.
    if (wanted.rlim_max > current.rlim_max)
        wanted.rlim_max = current.rlim_max;
    if (wanted.rlim_cur > wanted.rlim_max)
        wanted.rlim_cur = wanted.rlim_max;
    return setrlimit((int)values[0], &wanted) == 0;
}

static bool read_field(struct plan *plan, const struct wire_field *field) {
    switch (field->tag) {
    case TAG_ARG:
        return add_string(plan->arguments, &plan->argument_count, field);
    case TAG_ENV:
        return add_string(plan->environment, &plan->environment_count, field);
    case TAG_SHELL:
        return (plan->program = wire_text(field)) != NULL;
    case TAG_CWD:
        return (plan->folder = wire_text(field)) != NULL;
    case TAG_GROUPS:
        return wire_u32s(field, plan->groups, MAX_GROUPS, &plan->group_count);
    case TAG_UID:
        return wire_u32(field, &plan->uid);
    case TAG_GID:
        return wire_u32(field, &plan->gid);
    case TAG_UMASK:
        return wire_u32(field, &plan->mask);
    case TAG_KIND:
        return wire_u32(field, &plan->kind);
    case TAG_NICE:
        return wire_u32(field, &plan->nice);
    case TAG_BANNER:
        return (plan->banner = wire_text(field)) != NULL;
    case TAG_RLIMIT:
        return add_limit(plan, field);
    default:
        return true;
    }
}

static void take_descriptors(const int *fds, struct slot *slot) {
    for (int index = 0; index < 3; index++) {
        if (dup2(fds[index], index) < 0)
            give_up(slot, "pass descriptors", NULL);
    }
    if (sys_close_range(3, ~0u, 0) != 0)
        give_up(slot, "close descriptors", NULL);
}

// Groups, then gid, then uid: each needs the privilege that the last one gives up (credentials(7)).
// Leaving uid 0 clears the permitted, effective and ambient capabilities; the bounding set is empty
// since the spawner's lockdown, so no exec brings any back but, where policy has root = yes, that of a
// setuid program.
static void become_user(const struct plan *plan, struct slot *slot) {
    if (setgroups(plan->group_count, plan->groups) != 0)
        give_up(slot, "set groups", NULL);
    if (setresgid(plan->gid, plan->gid, plan->gid) != 0)
        give_up(slot, "set gid", NULL);
    if (plan->uid == 0 || setresuid(plan->uid, plan->uid, plan->uid) != 0)
        give_up(slot, "set uid", NULL);
}

// What stands before the user's own output is said on the user's own descriptor 2. `object` may be the
// work of whoever made the image: nothing in it may act on the terminal.
static void notice(const char *object, const char *what) {
    char line[PATH_MAX + 256];
    int length = snprintf(line, sizeof line, "dockersh: %.*s: %s", PATH_MAX, object, what);
    if (length <= 0)
        return;
    size_t used = strnlen(line, sizeof line - 1);
    for (size_t at = 0; at < used; at++) {
        unsigned char byte = (unsigned char)line[at];
        bool c1 = byte == 0xc2 && (line[at + 1] & 0xe0) == 0x80; // U+0080 to U+009F in UTF-8
        if (c1)
            line[at++] = '?';
        if (c1 || byte < ' ' || byte == 0x7f)
            line[at] = '?';
    }
    line[used++] = '\n';
    (void)!write(2, line, used);
}

// As the user, inside: whatever the folder's name is, it leads nowhere that a `cd` would not.
static void enter_folder(const struct plan *plan) {
    if (plan->folder == NULL || chdir(plan->folder) == 0)
        return;
    int number = errno;
    const char *home = variable_of(plan->environment, "HOME=");
    const char *whose =
        home != NULL && strcmp(home, plan->folder) == 0 ? "the home folder" : "the WorkingDir of the image";
    char what[192];
    (void)snprintf(what, sizeof what, "can't enter %s (%s); starting in /", whose, strerror(number));
    notice(plan->folder, what);
    (void)chdir("/");
}

static void show_banner(const struct plan *plan, uint32_t tty) {
    if (plan->banner == NULL || tty == 0)
        return;
    int terminal = __builtin_ctz(tty);
    (void)!write(terminal, plan->banner, strlen(plan->banner));
    (void)!write(terminal, "\n", 1);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// argv[0] as login does it: the shell's name, with a dash in front for a login shell.
static char *named(const char *path, bool login) {
    static char name[NAME_MAX + 2];
    (void)snprintf(name, sizeof name, "%s%s", login ? "-" : "", base_name(path));
    return name;
}

// What programs start where they want a shell has to be one that is there.
static void name_shell(struct plan *plan) {
    static char entry[] = "SHELL=/bin/sh";
    for (size_t index = 0; index < plan->environment_count; index++) {
        if (strncmp(plan->environment[index], "SHELL=", strlen("SHELL=")) == 0)
            plan->environment[index] = entry;
    }
}

static _Noreturn void run(struct plan *plan, struct slot *slot) {
    environ = plan->environment;
    if (plan->kind == PROGRAM_DIRECT) {
        (void)execvp(plan->program, plan->arguments);
        int status = errno == ENOENT ? 127 : 126;
        notice(plan->program, strerror(errno));
        _exit(status);
    }
    bool login = plan->arguments[0][0] == '-';
    plan->arguments[0] = named(plan->program, login);
    (void)execv(plan->program, plan->arguments);
    if (strcmp(plan->program, "/bin/sh") != 0) {
        if (plan->kind == PROGRAM_SHELL && access("/bin/sh", X_OK) == 0)
            notice(plan->program, "this shell can't be run in the image; using /bin/sh");
        name_shell(plan);
        plan->arguments[0] = named("/bin/sh", login);
        (void)execv("/bin/sh", plan->arguments);
    }
    // Where the image has no shell at all, ours lies in a layer below it.
    int number = errno;
    if (number == ENOENT)
        (void)execv("/usr/lib/dockersh/stand-in", plan->arguments);
    errno = number;
    (void)err_fork(&slot->err, FAILURE_SHELL, "run /bin/sh", NULL);
    _exit(EXIT_OURS);
}

// In place of the agent of this connection, an address that follows the user's newest one (session/agent.c).
static void follow_agent(struct plan *plan) {
    char *assignment = agent_follow(plan->environment);
    for (size_t index = 0; assignment != NULL && index < plan->environment_count; index++)
        if (strncmp(plan->environment[index], "SSH_AUTH_SOCK=", strlen("SSH_AUTH_SOCK=")) == 0)
            plan->environment[index] = assignment;
}

// Whoever came by ssh is told of the terminal by its name inside; sshd's own names one of the host.
static void name_terminal(struct plan *plan, int number) {
    static char entry[48];
    if (number < 0 || variable_of(plan->environment, "SSH_CONNECTION=") == NULL ||
        plan->environment_count == MAX_STRINGS)
        return;
    (void)snprintf(entry, sizeof entry, "SSH_TTY=/dev/pts/%d", number);
    plan->environment[plan->environment_count++] = entry;
}

static void read_plan(struct plan *plan, struct child_ends *ends, struct wire_reader *reader,
                      struct slot *slot) {
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (!read_field(plan, &field) || !kept_child_read(ends, &field))
            give_up_plan(slot);
    }
    if (!ends->looks && (plan->argument_count == 0 || plan->program == NULL))
        give_up_plan(slot);
}

_Noreturn void child_run(struct wire_reader *reader, struct child_ends *ends, struct slot *slot) {
    static struct plan plan;
    struct streams streams;
    read_plan(&plan, ends, reader, slot);
    if (setsid() < 0)
        give_up(slot, "start a session", NULL);
    if (plan.nice > 0 && setpriority(PRIO_PROCESS, 0, (int)plan.nice) != 0)
        give_up(slot, "set niceness", NULL);
    become_user(&plan, slot);
    ends->environment = plan.environment;
    if (ends->looks)
        kept_child_look(ends, slot);
    if (streams_take(&streams, ends, &slot->err) != 0)
        leave_unbegun(slot);
    if (streams.tty != 0)
        kept_child_terminal(ends, slot);
    take_descriptors(streams.fds, slot);
    if (streams.tty != 0 && ioctl(__builtin_ctz(streams.tty), TIOCSCTTY, 0) != 0)
        give_up(slot, "take the terminal", NULL);
    (void)umask(plan.mask & 0777);
    name_terminal(&plan, streams.number);
    slot->noted = books_enter(plan.environment, ends->slot, streams.number);
    follow_agent(&plan);
    show_banner(&plan, streams.tty);
    enter_folder(&plan);
    // Last, because none of these limits is meant for our own work before it.
    for (size_t index = 0; index < plan.limit_count; index++) {
        if (!set_limit(plan.limits[index])) {
            (void)err_code(&slot->err, FAILURE_LIMIT, "set limits", NULL);
            _exit(EXIT_OURS);
        }
    }
    slot->exec_ns = monotonic_ns();
    run(&plan, slot);
}
