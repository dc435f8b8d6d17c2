/* SPDX-License-Identifier: Apache-2.0 */

/* From a record to a CVM. */

#include <string.h>

#include "base/json.h"
#include "systemd/scope.h"
#include "vm/home.h"
#include "vm/record.h"

#define GROUPS_MAX 65536u /* NGROUPS_MAX of Linux */

/* Absent, or an integer in the range. */
static bool in_range(json_object *object, const char *key, int64_t min, int64_t max)
{
        json_object *member = json_member(object, key);
        int64_t value;

        if (!member)
                return true;
        value = json_object_get_int64(member);
        return json_object_is_type(member, json_type_int) && value >= min && value <= max;
}

/* What lies beyond its type would come back as another's uid, port or CID. */
static bool numbers_are_right(json_object *record)
{
        static const struct {
                const char *key;
                int64_t max;
        } members[] = {
                {"owner", UINT32_MAX - 1},      {"ownerGroup", UINT32_MAX - 1},
                {"uid", UINT32_MAX - 1},        {"cpus", SPEC_CPUS_MAX},
                {"vsockCid", UINT32_MAX - 1},   {"memory", INT64_MAX},
                {"promised", INT64_MAX},        {"sharesBytes", INT64_MAX},
                {"guestUptimeUsec", INT64_MAX},
        };
        static const char *const timeouts[] = {"startSec", "readySec", "powerdownSec", "quitSec"};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (!in_range(record, members[i].key, 0, members[i].max))
                        return false;
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (!in_range(json_member(record, "artifactBytes"), spec_artifact_kind_name(kind),
                              0, ARTIFACT_SIZE_MAX))
                        return false;
        for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++)
                if (!in_range(json_member(record, "timeouts"), timeouts[i], 1, 86400))
                        return false;
        return true;
}

static bool load_forwards(Vm *vm, json_object *array)
{
        SpecForward forwards[SPEC_FORWARDS_MAX];
        size_t n;

        if (!json_object_is_type(array, json_type_array))
                return false;
        n = json_object_array_length(array);
        if (n > SPEC_FORWARDS_MAX)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                const char *address = json_member_string(item, "address");
                const char *protocol = json_member_string(item, "protocol");

                if (!address || !protocol || !in_range(item, "hostPort", 0, UINT16_MAX) ||
                    !in_range(item, "guestPort", 0, UINT16_MAX))
                        return false;
                forwards[i] = (SpecForward){
                        .address = (char *)address,
                        .host_port = (uint16_t)json_member_int(item, "hostPort", 0),
                        .guest_port = (uint16_t)json_member_int(item, "guestPort", 0),
                        .protocol = strcmp(protocol, "udp") == 0 ? SPEC_UDP : SPEC_TCP,
                };
        }
        return vm_reserved_set_forwards(&vm->reserved, forwards, n) == 0;
}

static bool load_disks(Vm *vm, json_object *array)
{
        DiskHold *disks;
        size_t n;

        if (!disk_holds_from_json(array, &disks, &n))
                return false;
        vm_reserved_set_disks(&vm->reserved, disks, n);
        return true;
}

static bool load_groups(Vm *vm, json_object *array)
{
        size_t n;

        if (!json_object_is_type(array, json_type_array))
                return false;
        n = json_object_array_length(array);
        if (n > GROUPS_MAX)
                return false;
        vm->owner_groups = calloc(n + 1, sizeof(*vm->owner_groups));
        if (!vm->owner_groups)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                int64_t group = json_object_get_int64(item);

                if (!json_object_is_type(item, json_type_int) || group < 0 || group >= UINT32_MAX)
                        return false;
                vm->owner_groups[vm->n_owner_groups++] = (gid_t)group;
        }
        return true;
}

static void load_restart(Vm *vm, json_object *record, bool same_boot)
{
        json_object *restart = json_member(record, "restart");
        _cleanup_(cvm_error_done) CvmError ignored = {};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        vm->expires = deadline_from_json(json_member(record, "expires"), same_boot);
        if (!restart || spec_parse(vm->spec, &spec, &ignored) < 0)
                return;
        vm_restart_set_policy(&vm->restart, &spec->restart);
        vm_restart_load(&vm->restart, restart, same_boot);
        vm_restart_set_pending(&vm->restart,
                               vm->state == VM_RESTARTING ||
                                       (vm->restart.total && vm->state == VM_STARTING));
}

/* A CVM of version 0.1.0 has none. */
static bool load_labels(Vm *vm, json_object *labels)
{
        _cleanup_(cvm_error_done) CvmError ignored = {};

        if (labels && (!json_object_is_type(labels, json_type_object) ||
                       spec_check_labels(labels, &ignored) < 0))
                return false;
        vm->labels = json_object_get(labels);
        return true;
}

static void load_ending(Vm *vm, json_object *ending)
{
        const char *reason = json_member_string(ending, "reason");
        DriverEnding driver = {
                .has_exit_code = json_member(ending, "exitCode"),
                .has_signal = json_member(ending, "signal"),
                .exit_code = (int)json_member_int(ending, "exitCode", 0),
                .signal = (int)json_member_int(ending, "signal", 0),
        };

        if (!reason)
                return;
        vm_load_ending(vm, reason, json_member_string(ending, "detail"), &driver);
        vm->ending.at = json_member_int(ending, "at", vm->ending.at);
}

static void load_rest(Vm *vm, json_object *record)
{
        json_object *timeouts = json_member(record, "timeouts");
        const char *scope = json_member_string(record, "scope");

        vm->debug = json_member_bool(record, "debug", false);
        vm->confidential = json_member_bool(record, "confidential", false);
        vm->emulated = json_member_bool(record, "emulated", false);
        vm_cause_load(&vm->cause, record);
        vm->limits_in_doubt = json_member_bool(record, "limitsInDoubt", false);
        vm->cpus = (uint32_t)json_member_int(record, "cpus", 0);
        vm->memory = (uint64_t)json_member_int(record, "memory", 0);
        vm->promised = (uint64_t)json_member_int(record, "promised", (int64_t)vm->memory);
        vm->created_at = json_member_int(record, "createdAt", vm->created_at);
        vm->start_sec = (uint32_t)json_member_int(timeouts, "startSec", 30);
        vm->ready_sec = (uint32_t)json_member_int(timeouts, "readySec", 120);
        vm->powerdown_sec = (uint32_t)json_member_int(timeouts, "powerdownSec", 30);
        vm->quit_sec = (uint32_t)json_member_int(timeouts, "quitSec", 5);
        vm->spec = json_object_get(json_member(record, "spec"));
        (void)spec_remove_parse(json_member_string(vm->spec, "remove"), &vm->remove);
        vm->launch_failed = json_member_bool(record, "launchFailed", false);
        vm->kept = json_member_bool(record, "kept", false);
        vm->spec_is_given = json_member_bool(record, "specIsGiven", false);
        vm->paths = json_object_get(json_member(record, "paths"));
        if (json_object_is_type(json_member(record, "request"), json_type_object))
                vm->request = json_object_get(json_member(record, "request"));
        if (scope && scope_unit_is_valid(scope))
                vm_process_set_scope(&vm->process, strdup(scope));
        vm_guest_load(&vm->guest, record);
        vm_stages_load(&vm->stages, json_member(record, "stages"));
        load_ending(vm, json_member(record, "ending"));
}

bool record_is_of_boot(json_object *record, const char *boot_id)
{
        const char *recorded = json_member_string(record, "bootId");

        return recorded && strcmp(recorded, boot_id) == 0;
}

/* Version 1 kept no groups of the owner's: what a restart fetches is fetched without them. */
static void upgrade_1(json_object *record)
{
        json_object_object_add(record, "ownerGroups", json_object_new_array());
}

static void (*const upgrades[])(json_object *record) = {upgrade_1};

_Static_assert(ARRAY_SIZE(upgrades) == RECORD_VERSION - 1, "a step from each version to the next");

/* From the version it has to RECORD_VERSION, a step each. */
static int record_upgrade(json_object *record, const char **ret_reason)
{
        json_object *member = json_member(record, "version");
        int64_t version = json_object_get_int64(member);

        if (!json_object_is_type(member, json_type_int) || version < 1) {
                *ret_reason = "it has no version";
                return -EBADMSG;
        }
        if (version > RECORD_VERSION) {
                *ret_reason = "a newer cvmd wrote it";
                return -EPROTONOSUPPORT;
        }
        for (; version < RECORD_VERSION; version++)
                upgrades[version - 1](record);
        return 0;
}

int record_to_vm(VmHome *home, json_object *record, Vm **ret, const char **ret_reason)
{
        const char *name = json_member_string(record, "name");
        const char *id = json_member_string(record, "id");
        const char *platform = json_member_string(record, "platform");
        const char *driver = json_member_string(record, "driver");
        const char *state = json_member_string(record, "state");
        int64_t owner = json_member_int(record, "owner", -1);
        bool same_boot;
        Vm *vm;
        int r;

        r = record_upgrade(record, ret_reason);
        if (r < 0)
                return r;
        if (!name || !spec_name_is_valid(name) || !id || !vm_id_is_valid(id) || !platform ||
            !driver || !driver_find(home->drivers.all, driver) || !state || owner < 0 ||
            !numbers_are_right(record)) {
                *ret_reason = "a member is missing or wrong";
                return -EBADMSG;
        }
        vm = vm_new(home, name, id, platform, (uid_t)owner,
                    (gid_t)json_member_int(record, "ownerGroup", 0));
        if (!vm)
                return -ENOMEM;
        vm->ops = driver_find(home->drivers.all, driver);
        if (vm_state_parse(state, &vm->state) < 0 ||
            !load_forwards(vm, json_member(record, "forwards")) ||
            !load_disks(vm, json_member(record, "disks")) ||
            !load_groups(vm, json_member(record, "ownerGroups"))) {
                *ret_reason = "its state, forwards, disks or groups are wrong";
                vm_close(vm);
                vm_unref(vm);
                return -EBADMSG;
        }
        load_rest(vm, record);
        if (!vm_reserved_load(&vm->reserved, record) ||
            !load_labels(vm, json_member(record, "labels"))) {
                *ret_reason = "its GPUs or labels are wrong";
                vm_close(vm);
                vm_unref(vm);
                return -EBADMSG;
        }
        same_boot = record_is_of_boot(record, home->boot_id);
        /* of the boot before, or once it has ended, the memory is gone */
        vm_boot_load(&vm->boot, record, same_boot && vm_state_is_live(vm->state));
        load_restart(vm, record, same_boot);
        *ret = vm;
        return 0;
}
