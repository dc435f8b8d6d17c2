/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <string.h>

#include "base/json.h"
#include "gpus.h"
#include "scope.h"

static void add_int(json_object *object, const char *key, int64_t value)
{
        json_object_object_add(object, key, json_object_new_int64(value));
}

json_object *record_from_vm(const Vm *vm, const char *boot_id)
{
        json_object *record = vm_to_json(vm);

        add_int(record, "version", RECORD_VERSION);
        json_object_object_add(record, "bootId", json_object_new_string(boot_id));
        add_int(record, "ownerGroup", vm->owner_group);
        add_int(record, "promised", (int64_t)vm->promised);
        json_object_object_add(record, "stopRequested",
                               json_object_new_boolean(vm->stop_requested));
        if (vm->n_disks)
                json_object_object_add(record, "disks", disks_to_json(vm));
        json_object_object_add(record, "timeouts",
                               json_build("startSec", json_object_new_int64(vm->start_sec),
                                          "readySec", json_object_new_int64(vm->ready_sec),
                                          "powerdownSec", json_object_new_int64(vm->powerdown_sec),
                                          "quitSec", json_object_new_int64(vm->quit_sec), NULL));
        if (vm->leaving)
                json_object_object_add(record, "leaving", json_object_new_string(vm->leaving));
        if (vm->spec)
                json_object_object_add(record, "spec", json_object_get(vm->spec));
        if (vm->driver)
                vm->ops->save(vm->driver, record);
        if (vm->companions)
                companions_save(vm->companions, record);
        return record;
}

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
                {"owner", UINT32_MAX - 1}, {"ownerGroup", UINT32_MAX - 1}, {"uid", UINT32_MAX - 1},
                {"cpus", SPEC_CPUS_MAX},   {"vsockCid", UINT32_MAX - 1},   {"memory", INT64_MAX},
                {"promised", INT64_MAX},
        };
        static const char *const timeouts[] = {"startSec", "readySec", "powerdownSec", "quitSec"};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                if (!in_range(record, members[i].key, 0, members[i].max))
                        return false;
        for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++)
                if (!in_range(json_member(record, "timeouts"), timeouts[i], 1, 86400))
                        return false;
        return true;
}

static bool load_forwards(Vm *vm, json_object *array)
{
        size_t n;

        if (!json_object_is_type(array, json_type_array))
                return false;
        n = json_object_array_length(array);
        if (n > SPEC_FORWARDS_MAX)
                return false;
        vm->forwards = calloc(n + 1, sizeof(*vm->forwards));
        if (!vm->forwards)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                const char *address = json_member_string(item, "address");
                const char *protocol = json_member_string(item, "protocol");

                if (!address || !protocol || !in_range(item, "hostPort", 0, UINT16_MAX) ||
                    !in_range(item, "guestPort", 0, UINT16_MAX))
                        return false;
                vm->forwards[vm->n_forwards++] = (SpecForward){
                        .address = strdup(address),
                        .host_port = (uint16_t)json_member_int(item, "hostPort", 0),
                        .guest_port = (uint16_t)json_member_int(item, "guestPort", 0),
                        .protocol = strcmp(protocol, "udp") == 0 ? SPEC_UDP : SPEC_TCP,
                };
        }
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
        vm_set_ending(vm, reason, json_member_string(ending, "detail"), &driver);
        vm->ending.at = json_member_int(ending, "at", vm->ending.at);
}

static void load_rest(Vm *vm, json_object *record)
{
        json_object *timeouts = json_member(record, "timeouts");
        json_object *artifacts = json_member(record, "artifacts");
        const char *leaving = json_member_string(record, "leaving");
        const char *scope;

        vm->ready = json_member_bool(record, "ready", false);
        vm->debug = json_member_bool(record, "debug", false);
        vm->uid = (uid_t)json_member_int(record, "uid", 0);
        vm->stop_requested = json_member_bool(record, "stopRequested", false);
        vm->leaving = leaving ? strdup(leaving) : NULL;
        vm->cpus = (uint32_t)json_member_int(record, "cpus", 0);
        vm->memory = (uint64_t)json_member_int(record, "memory", 0);
        vm->promised = (uint64_t)json_member_int(record, "promised", (int64_t)vm->memory);
        vm->vsock_cid = (uint32_t)json_member_int(record, "vsockCid", 0);
        vm->created_at = json_member_int(record, "createdAt", vm->created_at);
        vm->started_at = json_member_int(record, "startedAt", 0);
        vm->ready_at = json_member_int(record, "readyAt", 0);
        vm->start_sec = (uint32_t)json_member_int(timeouts, "startSec", 30);
        vm->ready_sec = (uint32_t)json_member_int(timeouts, "readySec", 120);
        vm->powerdown_sec = (uint32_t)json_member_int(timeouts, "powerdownSec", 30);
        vm->quit_sec = (uint32_t)json_member_int(timeouts, "quitSec", 5);
        scope = json_member_string(record, "scope");
        if (scope && scope_unit_is_valid(scope))
                vm->scope = strdup(scope);
        vm->spec = json_object_get(json_member(record, "spec"));
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                const char *digest = json_member_string(artifacts, spec_artifact_kind_name(i));

                vm->artifact_sha256[i] = digest ? strdup(digest) : NULL;
        }
        if (json_object_is_type(json_member(record, "measurement"), json_type_object)) {
                json_object_put(vm->measurement);
                vm->measurement = json_object_get(json_member(record, "measurement"));
        }
        if (json_object_is_type(json_member(record, "binding"), json_type_object))
                vm->binding = json_object_get(json_member(record, "binding"));
        load_ending(vm, json_member(record, "ending"));
}

int record_to_vm(Manager *manager, json_object *record, Vm **ret, const char **ret_reason)
{
        const char *name = json_member_string(record, "name");
        const char *id = json_member_string(record, "id");
        const char *platform = json_member_string(record, "platform");
        const char *driver = json_member_string(record, "driver");
        const char *state = json_member_string(record, "state");
        int64_t owner = json_member_int(record, "owner", -1);
        Vm *vm;

        if (json_member_int(record, "version", 0) != RECORD_VERSION) {
                *ret_reason = "its version is not known";
                return -EBADMSG;
        }
        if (!name || !spec_name_is_valid(name) || !id || !vm_id_is_valid(id) || !platform ||
            !driver || !driver_find(driver) || !state || owner < 0 || !numbers_are_right(record)) {
                *ret_reason = "a member is missing or wrong";
                return -EBADMSG;
        }
        vm = vm_new(manager, name, id, platform, (uid_t)owner,
                    (gid_t)json_member_int(record, "ownerGroup", 0));
        if (!vm)
                return -ENOMEM;
        vm->ops = driver_find(driver);
        if (vm_state_parse(state, &vm->state) < 0 ||
            !load_forwards(vm, json_member(record, "forwards")) ||
            !disks_from_json(vm, json_member(record, "disks"))) {
                *ret_reason = "its state, forwards or disks are wrong";
                vm_close(vm);
                vm_unref(vm);
                return -EBADMSG;
        }
        load_rest(vm, record);
        if (!gpus_from_spec(vm)) {
                *ret_reason = "its GPUs are wrong";
                vm_close(vm);
                vm_unref(vm);
                return -EBADMSG;
        }
        *ret = vm;
        return 0;
}
