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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"
#include "hold.h"
#include "trial.h"

// One a line, so that branches which add one do not meet.
// clang-format off
static const struct family *const families[] = {
    &calls_family,
    &call_arguments_family,
    &mounts_family,
    &ids_family,
    &kernel_files_family,
    &processes_family,
    &descriptors_family,
    &namespaces_family,
    &nested_family,
    &outside_family,
    &host_family,
    &files_family,
    &counters_family,
    &network_family,
    &keeper_family,
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

static const char *place_name;

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
            enum result result = trial_make(attack);
            any = true;
            any_open |= result == OPEN;
            any_untried |= result != OPEN && result != HELD;
            (void)printf("{\"name\":");
            print_text(attack->name);
            (void)printf(",\"place\":\"%s\",\"result\":\"%s\",\"detail\":", place_name, result_names[result]);
            print_text(trial_detail());
            (void)printf("}\n");
            (void)fflush(stdout);
        }
    }
    return any_open ? 1 : (any_untried || !any ? 2 : 0);
}

static int run_nested(char **chosen) {
    int status;
    pid_t child = fork();
    if (child == 0 && !trial_enter_nested()) {
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
    char **chosen = argv + 1;
    while (*chosen != NULL && strchr(*chosen, '=') != NULL)
        chosen++;
    if ((place & (ROOT_ROOT | BOTH_ROOT)) != 0 &&
        (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)) {
        (void)fprintf(stderr, "dockersh-attack: can't become root: %s\n", strerror(errno));
        return 2;
    }
    char folder[64];
    if (!trial_start(argv + 1) || !enter_scratch(folder, sizeof folder)) {
        (void)fprintf(stderr, "dockersh-attack: no folder to work in: %s\n", strerror(errno));
        return 2;
    }
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
