// Fuzzes a sandbox's specification and its cgroups: every list keeps its bound, and what is accepted is
// whole.

#include "spec.h"
#include "cgroup/cgroup.h"
#include "fuzz.h"

static void clear(struct spec *spec) {
    char **texts[] = {&spec->name,       &spec->uid_map,   &spec->gid_map,
                      &spec->disk,       &spec->upper_dir, &spec->delegated,
                      &spec->mountpoint, &spec->hostname,  &spec->control_path};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        free(*texts[index]);
    for (size_t index = 0; index < spec->layer_count; index++)
        free(spec->layers[index].path);
    for (size_t index = 0; index < spec->bind_count; index++)
        free(spec->binds[index].source), free(spec->binds[index].target);
    for (size_t index = 0; index < spec->mount_count; index++)
        free(spec->mounts[index].source), free(spec->mounts[index].target);
    for (size_t index = 0; index < spec->device_count; index++)
        free(spec->devices[index].name);
    for (size_t index = 0; index < spec->write_count; index++)
        free(spec->writes[index].file), free(spec->writes[index].value);
    for (size_t index = 0; index < spec->lift_count; index++)
        free(spec->lifts[index].file), free(spec->lifts[index].value);
    for (size_t index = 0; index < spec->filters.count; index++)
        free(spec->filters.programs[index].filter);
    for (size_t index = 0; index < spec->run_folder_count; index++)
        free(spec->run_folders[index]);
    for (size_t index = 0; index < spec->figure_count; index++)
        free(spec->figures[index]);
    net_plan_free(&spec->plan);
}

static void check(const struct spec *spec) {
    REQUIRE(spec->layer_count > 0 && spec->uid != 0 && spec->root_uid != 0 && spec->root_gid != 0);
    REQUIRE(spec->tmp_bytes != 0 && spec->shm_bytes != 0);
    for (size_t index = 0; index < spec->layer_count; index++)
        REQUIRE(spec->layers[index].path != NULL);
    for (size_t index = 0; index < spec->bind_count; index++)
        REQUIRE(spec->binds[index].source != NULL && spec->binds[index].target != NULL);
    for (size_t index = 0; index < spec->device_count; index++)
        REQUIRE(spec->devices[index].name != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct spec spec;
    struct wire_reader reader;
    struct err err = {0};
    if (!wire_open(&reader, bytes, length))
        return 0;
    struct wire_reader again = reader;
    int result = spec_parse(&spec, &reader, &err);
    REQUIRE(spec.layer_count <= MAX_LAYERS && spec.bind_count <= MAX_BINDS && spec.mount_count <= MAX_BINDS);
    REQUIRE(spec.device_count <= MAX_DEVICES && spec.write_count <= MAX_CGROUP_WRITES &&
            spec.lift_count <= MAX_CGROUP_LIFTS);
    REQUIRE(spec.run_folder_count <= MAX_RUN_FOLDERS && spec.figure_count <= MAX_FIGURES);
    REQUIRE(spec.group_count <= MAX_GROUPS && spec.filters.count <= MAX_FILTERS);
    if (result == 0)
        check(&spec);
    else
        REQUIRE(err.what[0] != '\0');
    clear(&spec);
    struct cgroups cgroups;
    if (cgroups_parse(&cgroups, &again, &err) == 0)
        REQUIRE(cgroups.count > 0 && cgroups.count <= MAX_HIERARCHIES);
    for (size_t index = 0; index < cgroups.count; index++)
        free((char *)(uintptr_t)cgroups.parents[index]);
    return 0;
}
