// Surveys the boundary that it runs inside of: the system calls that are answered, the capabilities, the
// files of /proc, /sys and /dev that can be read or written, the mounts and namespaces. One JSON object on
// stdout.
//
// Calls are made by number, with every argument -1, each in a process of its own: no pointer, descriptor,
// process or flag is that, so nothing is done but the question whether there is somebody to answer.
// script/side-by-side runs this in dockersh and in others of its kind.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_CALL 600
#define ANSWER_MS 1000

static long native_call(long number, long argument) {
    return syscall(number, argument, argument, argument, argument, argument, argument) == -1 ? -errno : 0;
}

#ifdef __x86_64__
static long i386_call(long number, long argument) {
    long result;
    int argument32 = (int)argument;
    // rbp, the sixth argument of i386, stays as it is.
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(argument32), "c"(argument32), "d"(argument32), "S"(argument32),
                       "D"(argument32)
                     : "memory", "r8", "r9", "r10", "r11", "cc");
    return (int)result < 0 && (int)result > -4096 ? (int)result : 0;
}
#endif

struct abi {
    const char *name;
    long first;
    long (*call)(long number, long argument);
};

static const struct abi abis[] = {
    {"native", 0, native_call},
#ifdef __x86_64__
    {"x32", 0x40000000, native_call},
    {"i386", 0, i386_call},
#endif
};

// What would make something that stays, with every argument -1: a queue of messages.
static long argument_of(const struct abi *abi, long number) {
#ifdef __x86_64__
    if (abi->call == i386_call)
        return number == 399 ? 0x3ff : -1;
#endif
    return number - abi->first == SYS_msgget ? 0x1ff : -1;
}

// vfork(2) in the middle of a function leaves its stack to the child: fork(2), which it is the same as to a
// filter, is asked for in its place.
static long number_to_ask(const struct abi *abi, long number) {
#ifdef __x86_64__
    if (abi->call == i386_call)
        return number == 190 ? 2 : number;
#endif
#ifdef SYS_vfork
    return number == SYS_vfork ? SYS_fork : number;
#else
    return number;
#endif
}

// True where somebody answers: not ENOSYS or EPERM, and not a signal for a call that is none.
static bool is_answered(const struct abi *abi, long number) {
    int ends[2], status = 0;
    long result = 1;
    number = number_to_ask(abi, number);
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; null >= 0 && fd < 3; fd++)
            (void)dup2(null, fd);
        (void)setsid();
        result = abi->call(abi->first + number, argument_of(abi, abi->first + number));
        (void)!write(ends[1], &result, sizeof result);
        _exit(0);
    }
    (void)close(ends[1]);
    struct pollfd polled = {.fd = ends[0], .events = POLLIN};
    (void)poll(&polled, 1, ANSWER_MS); // one that waits for ever is one that is answered
    bool told = (polled.revents & POLLIN) != 0 && read(ends[0], &result, sizeof result) == sizeof result;
    (void)close(ends[0]);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    if (told)
        return result != -ENOSYS && result != -EPERM;
    return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void survey_calls(void) {
    (void)printf("\"calls\":{");
    for (size_t index = 0; index < sizeof abis / sizeof *abis; index++) {
        (void)printf("%s\"%s\":[", index > 0 ? "," : "", abis[index].name);
        const char *comma = "";
        for (long number = 0; number < LAST_CALL; number++) {
            (void)fflush(stdout);
            if (!is_answered(&abis[index], number))
                continue;
            (void)printf("%s%ld", comma, number);
            comma = ",";
        }
        (void)printf("]");
    }
    (void)printf("}");
}

static void put_text(const char *text) {
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            (void)putchar('\\');
        (void)putchar((unsigned char)*text < ' ' ? '?' : *text);
    }
    (void)putchar('"');
}

// The lines of /proc/self/status that are asked for, as an object.
static void survey_status(void) {
    static const char *const wanted[] = {"CapInh", "CapPrm",     "CapEff", "CapBnd",
                                         "CapAmb", "NoNewPrivs", "Seccomp"};
    FILE *file = fopen("/proc/self/status", "re");
    char line[512];
    const char *comma = "";
    (void)printf("\"status\":{");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        for (size_t index = 0; colon != NULL && index < sizeof wanted / sizeof *wanted; index++) {
            if (strncmp(line, wanted[index], (size_t)(colon - line)) != 0 ||
                wanted[index][colon - line] != '\0')
                continue;
            char *value = colon + 1 + strspn(colon + 1, " \t");
            value[strcspn(value, "\n")] = '\0';
            (void)printf("%s\"%s\":\"%s\"", comma, wanted[index], value);
            comma = ",";
        }
    }
    if (file != NULL)
        (void)fclose(file);
    (void)printf("}");
}

static void survey_lines(const char *name, const char *path) {
    FILE *file = fopen(path, "re");
    static char line[8192];
    const char *comma = "";
    (void)printf("\"%s\":[", name);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        (void)printf("%s", comma);
        put_text(line);
        comma = ",";
    }
    if (file != NULL)
        (void)fclose(file);
    (void)printf("]");
}

static void survey_namespaces(void) {
    static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
    (void)printf("\"namespaces\":{");
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        char path[64], target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/ns/%s", names[index]);
        (void)!readlink(path, target, sizeof target - 1);
        (void)printf("%s\"%s\":\"%s\"", index > 0 ? "," : "", names[index], target);
    }
    (void)printf("},\"canMake\":[");
    static const struct {
        const char *name;
        int flag;
    } kinds[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET}, {"pid", CLONE_NEWPID}};
    const char *comma = "";
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++) {
        int status = 1;
        (void)fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(unshare(kinds[index].flag) == 0 ? 0 : 1);
        if (waitpid(child, &status, 0) == child && status == 0) {
            (void)printf("%s\"%s\"", comma, kinds[index].name);
            comma = ",";
        }
    }
    (void)printf("]");
}

struct tree {
    FILE *readable, *writable; // names, as JSON, so far
    size_t readable_count, writable_count, all;
};

// With something in it: a file that is covered by /dev/null is not readable.
static bool has_content(const char *path) {
    char bytes[4096];
    if (strcmp(path, "/proc/kmsg") == 0) // what is read of it is gone for others
        return access(path, R_OK) == 0;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    bool content = fd >= 0 && read(fd, bytes, sizeof bytes) > 0;
    if (fd >= 0)
        (void)close(fd);
    return content;
}

static void note_file(struct tree *tree, const char *path, const struct stat *info) {
    bool device = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode);
    tree->all++;
    // A device is only asked for: to open one can do something.
    if (device ? faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 : has_content(path))
        (void)fprintf(tree->readable, "%s\"%s\"", tree->readable_count++ > 0 ? "," : "", path);
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
        (void)fprintf(tree->writable, "%s\"%s\"", tree->writable_count++ > 0 ? "," : "", path);
}

// Not what is a process's own, and no link: the same files would come by other names.
static bool is_left_out(const char *folder, const char *name) {
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strpbrk(name, "\"\\") != NULL)
        return true;
    return strcmp(folder, "/proc") == 0 && name[0] >= '0' && name[0] <= '9';
}

static void walk(struct tree *tree, const char *folder, int depth) {
    DIR *stream = depth < 20 ? opendir(folder) : NULL;
    struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        char path[4096];
        struct stat info;
        if (is_left_out(folder, entry->d_name) ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            lstat(path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode))
            walk(tree, path, depth + 1);
        else if (!S_ISLNK(info.st_mode))
            note_file(tree, path, &info);
    }
    if (stream != NULL)
        (void)closedir(stream);
}

static void survey_tree(const char *name, const char *folder) {
    char *readable = NULL, *writable = NULL;
    size_t readable_size, writable_size;
    struct tree tree = {.readable = open_memstream(&readable, &readable_size),
                        .writable = open_memstream(&writable, &writable_size)};
    walk(&tree, folder, 0);
    (void)fclose(tree.readable);
    (void)fclose(tree.writable);
    (void)printf("\"%s\":{\"all\":%zu,\"readable\":[%s],\"writable\":[%s]}", name, tree.all, readable,
                 writable);
    free(readable);
    free(writable);
}

int main(void) {
    (void)printf("{");
    survey_status();
    (void)printf(",");
    survey_namespaces();
    (void)printf(",");
    survey_lines("mounts", "/proc/self/mountinfo");
    (void)printf(",");
    survey_tree("proc", "/proc");
    (void)printf(",");
    survey_tree("sys", "/sys");
    (void)printf(",");
    survey_tree("dev", "/dev");
    (void)printf(",");
    survey_calls();
    (void)printf("}\n");
    return fflush(stdout) == 0 ? 0 : 1;
}
