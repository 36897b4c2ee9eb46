// Tests of how the supervisor reads a sandbox's specification (supervisor/spec.c). The daemon that sends it
// is trusted, but another version may be running after an upgrade: what is missing, doubled, too long or
// unknown must end in a refusal that names the field.

#include "spec.h"

#include <string.h>

#include "check.h"
#include "cleanup.h"

static struct spec spec;

static void free_spec(void) {
    free(spec.name);
    free(spec.uid_map);
    free(spec.gid_map);
    free(spec.upper_dir);
    free(spec.disk);
    free(spec.mountpoint);
    free(spec.hostname);
    free(spec.control_path);
    for (size_t index = 0; index < spec.layer_count; index++)
        free(spec.layers[index].path);
    for (size_t index = 0; index < spec.bind_count; index++) {
        free(spec.binds[index].source);
        free(spec.binds[index].target);
    }
    for (size_t index = 0; index < spec.mount_count; index++) {
        free(spec.mounts[index].source);
        free(spec.mounts[index].target);
    }
    for (size_t index = 0; index < spec.device_count; index++)
        free(spec.devices[index].name);
    for (size_t index = 0; index < spec.write_count; index++) {
        free(spec.writes[index].file);
        free(spec.writes[index].value);
    }
    for (size_t index = 0; index < spec.lift_count; index++) {
        free(spec.lifts[index].file);
        free(spec.lifts[index].value);
    }
    for (unsigned index = 0; index < spec.filters.count; index++)
        free(spec.filters.programs[index].filter);
    net_plan_free(&spec.plan);
    memset(&spec, 0, sizeof spec);
}

static int parse(const uint8_t *bytes, size_t length, struct err *err) {
    struct wire_reader reader;
    free_spec();
    memset(err, 0, sizeof *err);
    if (!wire_open(&reader, bytes, length))
        return err_plain(err, FAILURE_PROTOCOL, "no message", NULL);
    return spec_parse(&spec, &reader, err);
}

// Everything that a specification must hold, but for the field `without`.
static void start(struct wire_writer *writer, uint8_t *bytes, size_t size, uint32_t without) {
    static const uint32_t root_ids[] = {0x80000000, 0x80000000};
    static const struct {
        enum wire_tag tag;
        const char *text;
    } texts[] = {{TAG_NAME, "1000"},       {TAG_UID_MAP, "0 1 2\n"},   {TAG_GID_MAP, "0 3 4\n"},
                 {TAG_LAYER, "/layer"},    {TAG_UPPER, "/upper"},      {TAG_MOUNTPOINT, "/mnt"},
                 {TAG_HOSTNAME, "tester"}, {TAG_CONTROL, "/run/sock"}, {TAG_PLAIN_LAYER, "/plain"}};
    wire_start(writer, bytes, size, MSG_SANDBOX);
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        if (texts[index].tag != without)
            wire_put_text(writer, texts[index].tag, texts[index].text);
    }
    if (without != TAG_UID)
        wire_put_u32(writer, TAG_UID, 1000);
    wire_put_u32(writer, TAG_GID, 1001);
    if (without != TAG_ROOT_IDS)
        wire_put(writer, TAG_ROOT_IDS, root_ids, sizeof root_ids);
    if (without != TAG_TMP_BYTES)
        wire_put_u64(writer, TAG_TMP_BYTES, 4096);
    if (without != TAG_SHM_BYTES)
        wire_put_u64(writer, TAG_SHM_BYTES, 4096);
}

static void test_whole(void) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    struct err err;
    static const uint32_t groups[] = {7, 8, 100000};
    start(&writer, bytes, sizeof bytes, 0);
    wire_put(&writer, TAG_GROUPS, groups, sizeof groups);
    wire_put(&writer, TAG_BIND, "/usr\0/usr\0ro", 12);
    wire_put(&writer, TAG_BIND, "/a b\0/home/x\0rw", 15);
    wire_put(&writer, TAG_CGROUP_WRITE, "2\0memory.max\0001048576", 20);
    wire_put(&writer, TAG_CGROUP_LIFT, "1\0io.max\0rbps=max", 17);
    wire_put_u32(&writer, TAG_NETWORK, 1);
    wire_put_u64(&writer, TAG_TMP_BYTES, 1ull << 40);
    wire_put_u64(&writer, TAG_LINGER_MS, UINT64_MAX);
    wire_put_u64(&writer, TAG_HANGUP_GRACE_MS, 5000);
    wire_put_u64(&writer, TAG_STOP_GRACE_MS, 2000);
    wire_put_u32(&writer, TAG_BACKGROUND_KILL, 1);
    CHECK(parse(bytes, wire_finish(&writer, 0), &err) == 0);
    CHECK(strcmp(spec.name, "1000") == 0 && spec.uid == 1000 && spec.gid == 1001);
    CHECK(spec.root_uid == 0x80000000 && spec.root_gid == 0x80000000);
    CHECK(spec.group_count == 3 && spec.groups[2] == 100000);
    CHECK(spec.layer_count == 2 && spec.layers[0].idmapped && !spec.layers[1].idmapped);
    CHECK(strcmp(spec.layers[1].path, "/plain") == 0);
    CHECK(spec.bind_count == 2 && !spec.binds[0].writable && spec.binds[1].writable);
    CHECK(strcmp(spec.binds[1].source, "/a b") == 0 && strcmp(spec.binds[1].target, "/home/x") == 0);
    CHECK(spec.write_count == 1 && spec.writes[0].hierarchy == 2);
    CHECK(spec.lift_count == 1 && spec.lifts[0].hierarchy == 1);
    CHECK(strcmp(spec.lifts[0].file, "io.max") == 0 && strcmp(spec.lifts[0].value, "rbps=max") == 0);
    CHECK(strcmp(spec.writes[0].file, "memory.max") == 0 && strcmp(spec.writes[0].value, "1048576") == 0);
    CHECK(spec.network == NET_HOST && spec.kill_background && spec.tmp_bytes == 1ull << 40);
    CHECK(spec.linger_ms == UINT64_MAX && spec.hangup_grace_ms == 5000 && spec.stop_grace_ms == 2000);
    CHECK(strcmp(spec.uid_map, "0 1 2\n") == 0 && strcmp(spec.control_path, "/run/sock") == 0);
}

static void test_filters(void) {
    static struct sock_filter code[BPF_MAXINSNS + 1];
    static uint8_t bytes[3 * sizeof code];
    struct wire_writer writer;
    struct err err;
    code[1].k = 7;
    start(&writer, bytes, sizeof bytes, 0);
    wire_put(&writer, TAG_FILTER, code, 2 * sizeof *code);
    wire_put(&writer, TAG_FILTER, code, BPF_MAXINSNS * sizeof *code);
    wire_put_u32(&writer, TAG_FILTERS_ALONE, 1);
    CHECK(parse(bytes, wire_finish(&writer, 0), &err) == 0);
    CHECK(spec.filters.alone && spec.filters.count == 2 && spec.filters.programs[0].len == 2);
    CHECK(spec.filters.programs[0].filter[1].k == 7 && spec.filters.programs[1].len == BPF_MAXINSNS);

    static const size_t broken[] = {0, 7, sizeof *code + 1, sizeof code};
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        start(&writer, bytes, sizeof bytes, 0);
        wire_put(&writer, TAG_FILTER, code, broken[index]);
        CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1 && strstr(err.what, "field") != NULL);
    }
    start(&writer, bytes, sizeof bytes, 0);
    for (int index = 0; index < MAX_FILTERS + 1; index++)
        wire_put(&writer, TAG_FILTER, code, sizeof *code);
    CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1);
    start(&writer, bytes, sizeof bytes, 0);
    wire_put_u32(&writer, TAG_FILTERS_ALONE, 1); // none at all
    CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1);
}

static void test_incomplete(void) {
    static const uint32_t required[] = {TAG_NAME,       TAG_UID_MAP,   TAG_GID_MAP,  TAG_UPPER,
                                        TAG_MOUNTPOINT, TAG_HOSTNAME,  TAG_CONTROL,  TAG_UID,
                                        TAG_ROOT_IDS,   TAG_TMP_BYTES, TAG_SHM_BYTES};
    uint8_t bytes[1024];
    struct wire_writer writer;
    struct err err;
    for (size_t index = 0; index < sizeof required / sizeof required[0]; index++) {
        start(&writer, bytes, sizeof bytes, required[index]);
        CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1 && err.code == FAILURE_PROTOCOL);
    }
    start(&writer, bytes, sizeof bytes, 0);
    wire_put_u32(&writer, TAG_UID, 0); // the last one counts, and root has no sandbox
    CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1);
}

static void test_broken_fields(void) {
    static const struct {
        uint32_t tag;
        const char *value;
        size_t length;
    } broken[] = {{TAG_UID, "\1\0\0", 3},
                  {TAG_GID, "\1\0\0\0\0\0\0\0", 8},
                  {TAG_LINGER_MS, "\1\0\0\0", 4},
                  {TAG_NETWORK, "", 0},
                  {TAG_NETWORK, "\3\0\0\0", 4},
                  {TAG_NET_LINK, "eth0", 4},
                  {TAG_ROOT_IDS, "\1\0\0\0", 4},
                  {TAG_GROUPS, "\1\0\0\0\2", 5},
                  {TAG_NAME, "a\0b", 3},
                  {TAG_LAYER, "/a\0/b", 5},
                  {TAG_BIND, "", 0},
                  {TAG_BIND, "/a\0/b", 5},
                  {TAG_BIND, "/a\0/b\0ro\0", 9},
                  {TAG_CGROUP_WRITE, "", 0},
                  {TAG_CGROUP_LIFT, "0\0io.max", 8},
                  {TAG_ARG, "x", 1}, // a tag of another message
                  {99, "x", 1},
                  {UINT32_MAX, "x", 1}};
    uint8_t bytes[1024];
    struct wire_writer writer;
    struct err err;
    for (size_t index = 0; index < sizeof broken / sizeof broken[0]; index++) {
        start(&writer, bytes, sizeof bytes, 0);
        wire_put(&writer, (enum wire_tag)broken[index].tag, broken[index].value, broken[index].length);
        CHECK(parse(bytes, wire_finish(&writer, 0), &err) == -1);
        CHECK(strstr(err.what, "field") != NULL && err.object[0] != '\0');
    }
}

static void test_too_many(void) {
    static const struct {
        enum wire_tag tag;
        const char *value;
        size_t length;
        size_t most; // of these, besides what start() puts
    } lists[] = {{TAG_LAYER, "/l", 2, MAX_LAYERS - 2},
                 {TAG_BIND, "a\0b\0ro", 6, MAX_BINDS},
                 {TAG_CGROUP_WRITE, "0\0f\0v", 5, MAX_CGROUP_WRITES},
                 {TAG_CGROUP_LIFT, "0\0f\0v", 5, MAX_CGROUP_LIFTS}};
    static uint8_t bytes[WIRE_MAX_BYTES];
    static const uint32_t groups[MAX_GROUPS + 1];
    struct wire_writer writer;
    struct err err;
    for (size_t index = 0; index < sizeof lists / sizeof lists[0]; index++) {
        for (size_t over = 0; over <= 1; over++) {
            start(&writer, bytes, sizeof bytes, 0);
            for (size_t count = 0; count < lists[index].most + over; count++)
                wire_put(&writer, lists[index].tag, lists[index].value, lists[index].length);
            CHECK(parse(bytes, wire_finish(&writer, 0), &err) == (over == 0 ? 0 : -1));
        }
    }
    for (size_t over = 0; over <= 1; over++) {
        start(&writer, bytes, sizeof bytes, 0);
        wire_put(&writer, TAG_GROUPS, groups, sizeof(uint32_t) * (MAX_GROUPS + over));
        CHECK(parse(bytes, wire_finish(&writer, 0), &err) == (over == 0 ? 0 : -1));
    }
}

static void test_damaged(void) {
    uint64_t random = 1000003;
    size_t accepted = 0;
    for (int round = 0; round < 50000; round++) {
        uint8_t whole[1024];
        struct wire_writer writer;
        struct err err;
        start(&writer, whole, sizeof whole, 0);
        wire_put_u64(&writer, TAG_LINGER_MS, 1);
        wire_put(&writer, TAG_GROUPS, "\1\0\0\0", 4);
        size_t length = damage(&random, whole, wire_finish(&writer, 0));
        if (length < WIRE_HEADER_BYTES)
            continue;
        uint32_t body = (uint32_t)(length - WIRE_HEADER_BYTES);
        memcpy(whole + 8, &body, sizeof body);
        uint8_t *bytes = malloc(length);
        CHECK(bytes != NULL);
        memcpy(bytes, whole, length);
        if (parse(bytes, length, &err) == 0) {
            accepted++;
            CHECK(spec.name != NULL && spec.control_path != NULL && spec.uid != 0 && spec.layer_count > 0);
            CHECK(spec.layer_count <= MAX_LAYERS && spec.group_count <= MAX_GROUPS);
        } else {
            CHECK(err.what[0] != '\0' && err.code == FAILURE_PROTOCOL);
        }
        free(bytes);
    }
    CHECK(accepted > 1000 && accepted < 49000);
}

int main(void) {
    test_whole();
    test_filters();
    test_incomplete();
    test_broken_fields();
    test_too_many();
    test_damaged();
    free_spec();
    (void)printf("spec_test: ok\n");
    return 0;
}
