#include "cgroup/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

// "oom_kill N", a line of memory.events (v2) and, from Linux 4.13, of memory.oom_control (v1).
static uint64_t kills_in(const char *folder, const char *name, const char *file) {
    char path[768], line[128];
    uint64_t kills = 0;
    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return 0; // of another hierarchy
    while (fgets(line, sizeof line, stream) != NULL) {
        if (strncmp(line, "oom_kill ", strlen("oom_kill ")) == 0)
            kills = strtoull(line + strlen("oom_kill "), NULL, 10);
    }
    (void)fclose(stream);
    return kills;
}

bool memory_ran_out(const struct cgroups *cgroups, uint64_t *seen) {
    const char *file = cgroups->version == 2 ? "memory.events" : "memory.oom_control";
    uint64_t kills = 0;
    for (size_t index = 0; index < cgroups->count; index++)
        kills += kills_in(cgroups->parents[index], cgroups->name, file);
    bool more = kills > *seen;
    *seen = kills;
    return more;
}

void memory_score(const char *score) {
    cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, score, strlen(score));
}
