// deny NAME[,NAME…] PROGRAM [ARG …]: runs a program on a kernel that seems to lack these system calls.

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 3)
        return 64;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    for (char *name = strtok(argv[1], ","); name != NULL; name = strtok(NULL, ",")) {
        int number = seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0) != 0) {
            fprintf(stderr, "deny: %s\n", name);
            return 65;
        }
    }
    if (seccomp_load(filter) != 0)
        return 71;
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}
