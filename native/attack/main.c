// dockersh-attack: tries to get out of the sandbox that it runs in, or further in it than the policy says,
// and tells what came of it. The tests run all of it; "dockershctl doctor --attack" what can hurt nobody.
//
//   dockersh-attack list                                   the table, a JSON line for each attack
//   dockersh-attack run PLACE [NAME=VALUE …] all|harmless|ATTACK …
//                                                          a JSON line for each attack that is one at PLACE
//   dockersh-attack hold PREFIX                            hold.c
//
// PLACE is the sandbox's kind and who attacks, such as plain:user or both:nested. As the sandbox's root
// (":root") the program's file must be set-user-id root inside. The exit status is 0 when everything held, 1
// when something is open, 2 when something could not even be tried.
//
// Runs as a user who trusts nobody inside, and is not to be trusted itself: others of that user's processes
// can change what it says.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"
#include "hold.h"

#define PATIENCE_S 20

// One a line, so that branches which add one do not meet.
// clang-format off
static const struct family *const families[] = {
    &calls_family,
    &mounts_family,
    &ids_family,
    &kernel_files_family,
    &processes_family,
    &descriptors_family,
    &namespaces_family,
    &nested_family,
    &outside_family,
    &files_family,
    &counters_family,
};
// clang-format on
#define FAMILIES (sizeof families / sizeof families[0])

static const struct {
    const char *name;
    enum place place;
} places[] = {
    {"plain:user", PLAIN_USER},     {"root:user", ROOT_USER},           {"root:root", ROOT_ROOT},
    {"nesting:user", NESTING_USER}, {"nesting:nested", NESTING_NESTED}, {"both:user", BOTH_USER},
    {"both:root", BOTH_ROOT},       {"both:nested", BOTH_NESTED},
};
#define PLACES (sizeof places / sizeof places[0])

enum place place;
static const char *place_name;
static char **arguments; // NAME=VALUE …, ended by what is none

// What the child that makes an attack says to us.
struct report {
    enum result result;
    char detail[512];
};
static struct report *report;

static enum result say(enum result result, const char *format, va_list values) {
    (void)vsnprintf(report->detail, sizeof report->detail, format, values);
    return result;
}

#define SAYS(name, value)                                                                                    \
    enum result name(const char *format, ...) {                                                              \
        va_list values;                                                                                      \
        va_start(values, format);                                                                            \
        enum result result = say(value, format, values);                                                     \
        va_end(values);                                                                                      \
        return result;                                                                                       \
    }
SAYS(held, HELD)
SAYS(broken, OPEN)
SAYS(unattempted, UNATTEMPTED)

enum result refused(long result, const char *what) {
    return result < 0 ? held("%s: %s", what, strerror(errno)) : broken("%s: it worked", what);
}

enum result refused_as(long result, int number, const char *what) {
    if (result >= 0)
        return broken("%s: it worked", what);
    return errno == number ? held("%s: %s", what, strerror(errno))
                           : broken("%s came as far as: %s", what, strerror(errno));
}

const char *argument(const char *name) {
    size_t length = strlen(name);
    for (char **one = arguments; *one != NULL && strchr(*one, '=') != NULL; one++) {
        if (strncmp(*one, name, length) == 0 && (*one)[length] == '=')
            return *one + length + 1;
    }
    return NULL;
}

long argument_number(const char *name) {
    const char *value = argument(name);
    return value != NULL ? strtol(value, NULL, 10) : -1;
}

static void print_text(const char *text) {
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            (void)printf("\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f)
            (void)printf("\\u%04x", byte);
        else
            (void)putchar(byte);
    }
    (void)putchar('"');
}

static void print_row(const struct attack *attack) {
    (void)printf("{\"name\":");
    print_text(attack->name);
    (void)printf(",\"tries\":");
    print_text(attack->tries);
    (void)printf(",\"must\":");
    print_text(attack->must);
    (void)printf(",\"harm\":\"%s\",\"needs\":", attack->harm == NOISY ? "noisy" : "none");
    print_text(attack->needs != NULL ? attack->needs : "");
    (void)printf(",\"kernelFile\":");
    print_text(attack->kernel_file != NULL ? attack->kernel_file : "");
    (void)printf(",\"places\":[");
    const char *before = "";
    for (size_t index = 0; index < PLACES; index++) {
        if ((attack->places & places[index].place) == 0)
            continue;
        (void)printf("%s\"%s\"", before, places[index].name);
        before = ",";
    }
    (void)printf("]}\n");
}

static bool map_ids(const char *file, unsigned id) {
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1\n", id);
    return write_text(file, map) == 0;
}

// Root of a user namespace of the user's, with one of each other kind, as PID 1 of its own. One for all
// attacks: the kernel takes its time to take namespaces away. Returns in the new process alone.
static bool enter_nested(void) {
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWUSER) != 0 || write_text("/proc/self/setgroups", "deny") != 0 ||
        !map_ids("/proc/self/gid_map", gid) || !map_ids("/proc/self/uid_map", uid))
        return false;
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID) !=
        0)
        return false;
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child > 0) {
        int status;
        (void)waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, NULL) == 0;
}

static bool has_needs(const struct attack *attack) {
    char names[256];
    char *rest = NULL;
    (void)snprintf(names, sizeof names, "%s", attack->needs != NULL ? attack->needs : "");
    for (char *name = strtok_r(names, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        if (argument(name) == NULL) {
            report->result = unattempted("it needs an argument %s=…", name);
            return false;
        }
    }
    return true;
}

static _Noreturn void make_attack(const struct attack *attack) {
    (void)setpgid(0, 0);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    // What one attack mounts is no other's.
    if ((place & NESTED) != 0 && unshare(CLONE_NEWNS) != 0) {
        report->result = unattempted("no mount namespace: %s", strerror(errno));
        _exit(0);
    }
    errno = 0;
    enum result result = attack->run(attack);
    report->result = result;
    _exit(0);
}

// In a process of its own, with what it starts: none can spoil the next one.
static enum result try_attack(const struct attack *attack) {
    *report = (struct report){0};
    if (!has_needs(attack))
        return report->result;
    pid_t child = fork();
    if (child == 0)
        make_attack(attack);
    if (child < 0)
        return unattempted("fork: %s", strerror(errno));
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    int status = 0;
    struct timespec deadline = {.tv_sec = PATIENCE_S};
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (sigtimedwait(&set, NULL, &deadline) >= 0)
            continue;
        (void)kill(-child, SIGKILL);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        return unattempted("it was not done after %d s", PATIENCE_S);
    }
    (void)kill(-child, SIGKILL);
    if (WIFSIGNALED(status))
        return unattempted("it was ended by signal %d", WTERMSIG(status));
    return report->result != 0 ? report->result : unattempted("it ended without a word");
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info;
    (void)type;
    (void)walk;
    (void)remove(path);
    return 0;
}

// A folder of our own to work in, which all attacks share and that goes with us.
static bool enter_scratch(char *folder, size_t size) {
    static const char *const parents[] = {"/tmp", "/dev/shm", "/var/tmp", "."};
    for (size_t index = 0; index < sizeof parents / sizeof parents[0]; index++) {
        (void)snprintf(folder, size, "%s/dockersh-attack-XXXXXX", parents[index]);
        if (mkdtemp(folder) != NULL && chmod(folder, 0755) == 0 && chdir(folder) == 0)
            return true;
    }
    return false;
}

static bool is_chosen(const struct attack *attack, char **chosen) {
    for (; *chosen != NULL; chosen++) {
        bool harmless = attack->harm == HARMLESS && attack->needs == NULL;
        if (strcmp(*chosen, "all") == 0 || (strcmp(*chosen, "harmless") == 0 && harmless) ||
            strcmp(*chosen, attack->name) == 0)
            return true;
    }
    return false;
}

static const char *const result_names[] = {"unattempted", "held", "open", "unattempted"};

static int run_chosen(char **chosen) {
    bool any_open = false, any_untried = false, any = false;
    for (size_t index = 0; index < FAMILIES; index++) {
        for (size_t row = 0; row < families[index]->count; row++) {
            const struct attack *attack = &families[index]->attacks[row];
            if ((attack->places & (unsigned)place) == 0 || !is_chosen(attack, chosen))
                continue;
            enum result result = try_attack(attack);
            any = true;
            any_open |= result == OPEN;
            any_untried |= result != OPEN && result != HELD;
            (void)printf("{\"name\":");
            print_text(attack->name);
            (void)printf(",\"place\":\"%s\",\"result\":\"%s\",\"detail\":", place_name, result_names[result]);
            report->detail[sizeof report->detail - 1] = '\0';
            print_text(report->detail);
            (void)printf("}\n");
            (void)fflush(stdout);
        }
    }
    return any_open ? 1 : (any_untried || !any ? 2 : 0);
}

static int run_nested(char **chosen) {
    int status;
    pid_t child = fork();
    if (child == 0 && !enter_nested()) {
        (void)fprintf(stderr, "dockersh-attack: can't become root of a namespace: %s\n", strerror(errno));
        _exit(2);
    }
    if (child == 0)
        _exit(run_chosen(chosen));
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static int run(int argc, char **argv) {
    for (size_t index = 0; argc > 0 && index < PLACES; index++) {
        if (strcmp(argv[0], places[index].name) == 0) {
            place = places[index].place;
            place_name = places[index].name;
        }
    }
    if (place == 0)
        return 64;
    arguments = argv + 1;
    char **chosen = arguments;
    while (*chosen != NULL && strchr(*chosen, '=') != NULL)
        chosen++;
    if ((place & (ROOT_ROOT | BOTH_ROOT)) != 0 &&
        (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)) {
        (void)fprintf(stderr, "dockersh-attack: can't become root: %s\n", strerror(errno));
        return 2;
    }
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char folder[64];
    if (report == MAP_FAILED || !enter_scratch(folder, sizeof folder)) {
        (void)fprintf(stderr, "dockersh-attack: no folder to work in: %s\n", strerror(errno));
        return 2;
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int status = (place & NESTED) != 0 ? run_nested(chosen) : run_chosen(chosen);
    (void)chdir("/");
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return status;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t index = 0; index < FAMILIES; index++) {
            for (size_t row = 0; row < families[index]->count; row++)
                print_row(&families[index]->attacks[row]);
        }
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    int status = argc >= 4 && strcmp(argv[1], "run") == 0 ? run(argc - 2, argv + 2) : 64;
    if (status == 64)
        (void)fprintf(stderr,
                      "usage: dockersh-attack list | run PLACE [NAME=VALUE …] all|harmless|ATTACK …\n");
    return status;
}
