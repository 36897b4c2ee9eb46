// Writes the sandbox's two system call filters as C source, at build time: the supervisor then needs
// neither libseccomp nor the milliseconds it takes to compile a filter. Reasons stand beside each
// group. What is not named is allowed: the sandbox's walls are its namespaces, ids and missing
// capabilities; the filter takes away what reaches past them into the kernel.
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static scmp_filter_ctx filter;

static void check(int result, const char *what) {
    if (result < 0) {
        (void)fprintf(stderr, "seccomp: %s: error %d\n", what, -result);
        exit(1);
    }
}

static void refuse(const char *const *names, int number) {
    for (; *names != NULL; names++) {
        int call = seccomp_syscall_resolve_name(*names);
        if (call == __NR_SCMP_ERROR)
            (void)fprintf(stderr, "seccomp: this libseccomp does not know %s; left out\n", *names);
        else
            check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(number), call, 0), *names);
    }
}

// A system call with `mask` bits set in one of its arguments.
static void refuse_bits(const char *name, unsigned argument, uint64_t mask) {
    struct scmp_arg_cmp compare = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = mask};
    check(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(name), 1,
                                 &compare),
          name);
}

static void refuse_value(const char *name, unsigned argument, uint64_t value, int number) {
    // The kernel looks at 32 bits of these arguments, so the filter must not look at more.
    struct scmp_arg_cmp compare = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffff, .datum_b = value};
    check(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(number), seccomp_syscall_resolve_name(name), 1,
                                 &compare),
          name);
}

// The whole machine's: only its administrator may, and none of them is divided by namespaces.
static const char *const machine[] = {"acct",
                                      "bpf",
                                      "clock_adjtime",
                                      "clock_adjtime64",
                                      "clock_settime",
                                      "clock_settime64",
                                      "create_module",
                                      "delete_module",
                                      "finit_module",
                                      "get_kernel_syms",
                                      "init_module",
                                      "ioperm",
                                      "iopl",
                                      "kexec_file_load",
                                      "kexec_load",
                                      "lookup_dcookie",
                                      "nfsservctl",
                                      "open_by_handle_at",
                                      "perf_event_open",
                                      "query_module",
                                      "quotactl",
                                      "quotactl_fd",
                                      "reboot",
                                      "settimeofday",
                                      "stime",
                                      "swapoff",
                                      "swapon",
                                      "syslog",
                                      "sysfs",
                                      "uselib",
                                      "ustat",
                                      "vhangup",
                                      "vm86",
                                      "vm86old",
                                      "_sysctl",
                                      NULL};
// Keyrings know little of namespaces. Programs that run containers do without where they are not there at
// all.
static const char *const keys[] = {"add_key", "keyctl", "request_key", NULL};
// Mounts and namespaces: nothing a user here could do with them succeeds, much of it has gone wrong. With
// nesting they are allowed: in a user namespace of their own, users are root of mounts of their own.
static const char *const mounts[] = {"mount",     "umount",  "umount2",       "pivot_root", "chroot",
                                     "fsopen",    "fsmount", "fsconfig",      "fspick",     "move_mount",
                                     "open_tree", "setns",   "mount_setattr", NULL};
// Where most of the kernel's recent privilege escalations were.
static const char *const risky[] = {"userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
                                    NULL};
// Its flags are behind a pointer that a filter can't follow; ENOSYS makes every libc use clone().
static const char *const hidden[] = {"clone3", NULL};

static const uint64_t namespaces[] = {
    0x00020000 /* NEWNS */,   0x02000000 /* NEWCGROUP */, 0x04000000 /* NEWUTS */, 0x08000000 /* NEWIPC */,
    0x10000000 /* NEWUSER */, 0x20000000 /* NEWPID */,    0x40000000 /* NEWNET */, 0x00000080 /* NEWTIME */,
};
// Sockets there are of AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK. Every other family loads a module that
// nobody logs in for.
static const uint64_t low_families[] = {0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15};
#define LAST_ALLOWED_FAMILY 16

// The machine that the filter is for, which need not be this one, and its 32-bit programs, under the same
// rules.
static void add_architectures(const char *machine_name) {
    static const struct {
        const char *name;
        uint32_t own, narrow;
    } known[] = {{"x86_64", SCMP_ARCH_X86_64, SCMP_ARCH_X86}, {"aarch64", SCMP_ARCH_AARCH64, SCMP_ARCH_ARM}};
    for (size_t index = 0; index < sizeof known / sizeof known[0]; index++) {
        if (strcmp(known[index].name, machine_name) != 0)
            continue;
        if (known[index].own != seccomp_arch_native()) {
            check(seccomp_arch_add(filter, known[index].own), machine_name);
            check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "remove this machine");
        }
        check(seccomp_arch_add(filter, known[index].narrow), "32-bit programs");
        check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), "bad arch");
        return;
    }
    (void)fprintf(stderr, "seccomp: no filter is known for %s\n", machine_name);
    exit(1);
}

static void refuse_namespaces(void) {
    refuse(mounts, EPERM);
    for (size_t index = 0; index < sizeof namespaces / sizeof namespaces[0]; index++) {
        refuse_bits("unshare", 0, namespaces[index]);
        if (namespaces[index] != 0x80) // for clone() these bits are the exit signal
            refuse_bits("clone", 0, namespaces[index]);
    }
}

static void add_rules(bool nesting) {
    refuse(machine, EPERM);
    refuse(keys, nesting ? ENOSYS : EPERM);
    if (!nesting)
        refuse_namespaces();
    refuse(risky, ENOSYS);
    refuse(hidden, ENOSYS);
    refuse_value("ioctl", 1, 0x5412, EPERM); // TIOCSTI: keys pushed into somebody's terminal
    refuse_value("ioctl", 1, 0x541c, EPERM); // TIOCLINUX: the same, on a console
    refuse_value("ioctl", 1, 0x5423, EPERM); // TIOCSETD: loads line disciplines
    for (size_t index = 0; index < sizeof low_families / sizeof low_families[0]; index++)
        refuse_value("socket", 0, low_families[index], EAFNOSUPPORT);
    struct scmp_arg_cmp above = {.arg = 0, .op = SCMP_CMP_GT, .datum_a = LAST_ALLOWED_FAMILY};
    check(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), seccomp_syscall_resolve_name("socket"),
                                 1, &above),
          "socket");
}

static void write_filter(const char *name, const char *machine_name, bool nesting) {
    filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        exit(1);
    check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize"); // a tree, not a list
    add_architectures(machine_name);
    add_rules(nesting);
    FILE *binary = tmpfile();
    if (binary == NULL)
        exit(1);
    check(seccomp_export_bpf(filter, fileno(binary)), "export");
    rewind(binary);
    (void)printf("static const struct sock_filter %s[] = {\n", name);
    struct {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
    } instruction;
    while (fread(&instruction, sizeof instruction, 1, binary) == 1)
        (void)printf("    {0x%x, %u, %u, 0x%x},\n", instruction.code, instruction.jt, instruction.jf,
                     (unsigned)instruction.k);
    (void)printf("};\n");
    (void)fclose(binary);
    seccomp_release(filter);
}

int main(int argc, char **argv) {
    const char *machine_name = argc > 1 ? argv[1] : "";
    (void)printf("// Made by native/seccomp/generate.c; see there.\n");
    write_filter("seccomp_filter", machine_name, false);
    write_filter("seccomp_nesting_filter", machine_name, true);
    return 0;
}
