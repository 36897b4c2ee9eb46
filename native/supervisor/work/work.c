#include "work/work.h"

#include <stdio.h>
#include <string.h>

#include "cgroup/delegate.h"
#include "cgroup/group.h"
#include "connection/connection.h"

// A sandbox may have thousands of processes, and its supervisor has others to serve: beyond that it is enough
// to know that there are many.
#define MOST_LOOKED_AT 500u

struct search {
    const struct supervisor *supervisor;
    const struct session *leaving;
    ino_t pid_namespace;
    unsigned looked_at;
    struct work *found;
};

static bool leads_session(const struct search *search, int session) {
    const struct supervisor *supervisor = search->supervisor;
    for (size_t index = 0; index < supervisor->reached; index++) {
        const struct session *other = &supervisor->sessions[index];
        if (other->used && !other->ended && other != search->leaving && session > 0 &&
            supervisor->shared->slots[index].pid == session)
            return true;
    }
    return false;
}

static void add_name(struct work *work, const char *name) {
    char plain[sizeof work->names[0]];
    size_t length = 0;
    for (; name[length] != '\0' && length < sizeof plain - 1; length++)
        plain[length] = (char)(name[length] >= ' ' && name[length] < 0x7f ? name[length] : '?');
    plain[length] = '\0';
    for (unsigned index = 0; index < work->named; index++) {
        if (strcmp(work->names[index], plain) == 0)
            return;
    }
    if (work->named < WORK_NAMES)
        memcpy(work->names[work->named++], plain, sizeof plain);
}

// Our own, in the sandbox's PID namespace: the agent's address, and a session that has not executed its
// program yet. Whoever calls a program so is told of one less.
static bool is_ours(const char *name) {
    return strcmp(name, "dockersh-agent") == 0 || strcmp(name, "dockersh-superv") == 0;
}

static void look_at(pid_t pid, void *data) {
    struct search *search = data;
    if (search->looked_at++ >= MOST_LOOKED_AT || pid == search->supervisor->init_pid)
        return;
    struct process process;
    if (!process_look(pid, search->pid_namespace, &process) || leads_session(search, process.session) ||
        is_ours(process.name))
        return;
    search->found->count++;
    add_name(search->found, process.name);
}

void work_find(const struct supervisor *supervisor, const struct session *leaving, struct work *work) {
    char path[768];
    struct search search = {.supervisor = supervisor,
                            .leaving = leaving,
                            .pid_namespace = pid_namespace_of(supervisor->init_pid),
                            .found = work};
    memset(work, 0, sizeof *work);
    if (supervisor->init_pid <= 1 || search.pid_namespace == 0)
        return;
    (void)snprintf(path, sizeof path, "%s/%s", supervisor->cgroups.parents[0], supervisor->cgroups.name);
    cgroup_each_process(path, look_at, &search);
}

static void write_duration(uint64_t milliseconds, char *text, size_t size) {
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t rest = (milliseconds + 999) / 1000;
    size_t used = 0;
    text[0] = '\0';
    for (size_t index = 0; index < sizeof units / sizeof units[0] && used < size; index++) {
        uint64_t count = rest / units[index].seconds;
        rest %= units[index].seconds;
        if (count > 0)
            used += (size_t)snprintf(text + used, size - used, "%llu%c", (unsigned long long)count,
                                     units[index].unit);
    }
}

// Until when, after "N programs go on in your sandbox (…)".
static void write_end(const struct supervisor *supervisor, bool last, char *text, size_t size) {
    char duration[48];
    uint64_t linger_ms = supervisor->spec.linger_ms;
    write_duration(linger_ms, duration, sizeof duration);
    if (linger_ms == UINT64_MAX)
        (void)snprintf(text, size, ", also when nobody is logged in");
    else if (linger_ms == 0)
        (void)snprintf(text, size, " until your last session ends");
    else if (last)
        (void)snprintf(text, size, " for %s, unless you log in again before", duration);
    else
        (void)snprintf(text, size, " until %s after your last session", duration);
}

static void write_words(const struct supervisor *supervisor, const struct session *leaving,
                        const struct work *work, char *text, size_t size) {
    char names[WORK_NAMES * 18] = "", end[96] = "";
    text[0] = '\0';
    if (work->count == 0)
        return;
    for (unsigned index = 0; index < work->named; index++) {
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", used == 0 ? "" : ", ", work->names[index]);
    }
    bool one = work->count == 1;
    const char *more = work->count > work->named && work->named == WORK_NAMES ? ", …" : "";
    size_t others = session_count(supervisor) - (leaving->ended ? 0 : 1);
    bool last = others + connection_count() == 0;
    if (supervisor->spec.kill_background || (last && supervisor->spec.linger_ms == 0)) {
        (void)snprintf(text, size, "%u program%s that you leave behind %s ended with %s: %s%s.", work->count,
                       one ? "" : "s", one ? "is" : "are", last ? "your last session" : "this session", names,
                       more);
        return;
    }
    write_end(supervisor, last, end, sizeof end);
    (void)snprintf(text, size, "%u program%s go%s on in your sandbox%s: %s%s.", work->count, one ? "" : "s",
                   one ? "es" : "", end, names, more);
}

// A program that asks for one command reads no such thing.
const char *work_at_log_out(const struct supervisor *supervisor, const struct session *leaving, char *text,
                            size_t size) {
    struct work work;
    if (leaving->pts_number < 0 || leaving->connection < 0 || supervisor->state != STATE_RUNNING)
        return "";
    work_find(supervisor, leaving, &work);
    write_words(supervisor, leaving, &work, text, size);
    return text;
}
