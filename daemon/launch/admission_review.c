/* SPDX-License-Identifier: Apache-2.0 */

/* What a launch would be refused for, without launching. */

#include <string.h>

#include "base/json.h"
#include "launch/admission.h"
#include "launch/reserve.h"
#include "local/tap.h"
#include "manager/holders.h"

/* Where the next search for something free begins, which a review leaves as it is. */
typedef struct Cursors {
        uint16_t port;
        uint32_t cid;
        uid_t uid;
} Cursors;

static Cursors save_cursors(const Manager *manager)
{
        return (Cursors){manager->port_cursor, manager->cid_cursor, manager->uid_cursor};
}

static void restore_cursors(Manager *manager, const Cursors *cursors)
{
        manager->port_cursor = cursors->port;
        manager->cid_cursor = cursors->cid;
        manager->uid_cursor = cursors->uid;
}

/* Among the first n. */
static bool is_listed(const HostCheckList *list, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(list->items[i].name, name) == 0)
                        return true;
        return false;
}

/* error: of the step. Nothing is listed if it is not set, or if one of the first n_before has its
 * name: a step may refuse several things of one name. */
static int list_refusal(const AdmissionStep *step, const CvmError *error, size_t n_before,
                        HostCheckList *missing)
{
        const char *name = step->name, *needed = step->needed, *fix = step->fix;
        _cleanup_free_ char *message = NULL;

        if (!cvm_error_is_set(error))
                return 0;
        if (error->id == CVM_ERROR_NO_RESOURCES)
                name = json_member_string(error->fields, "resource") ?: name;
        if (is_listed(missing, n_before, name))
                return 0;
        message = cvm_error_message(error);
        for (size_t i = n_before; message && i < missing->n; i++)
                if (strcmp(missing->items[i].found, message) == 0)
                        return 0; /* two automatic ports, and none is free */
        return host_check_list_add_new(missing, name, message ?: "refused", needed, false, fix);
}

/* Each thing that the step is about. */
static int review_each(Manager *manager, const Admission *admission, const AdmissionStep *step,
                       Vm *vm, HostCheckList *missing)
{
        size_t n_before = missing->n;
        int r = 0, more = 0;

        for (size_t i = 0; more <= 0 && r == 0; i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                more = step->pass_one(manager, admission, vm, i, &error);
                r = list_refusal(step, &error, n_before, missing);
        }
        return r;
}

static int review_steps(Manager *manager, const Admission *admission, Vm *vm,
                        HostCheckList *missing)
{
        int r = 0;

        for (const AdmissionStep *step = admission_steps(); step->name && r == 0; step++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                if (step->pass_one) {
                        r = review_each(manager, admission, step, vm, missing);
                        continue;
                }
                step->pass(manager, admission, vm, &error);
                r = list_refusal(step, &error, missing->n, missing);
        }
        return r;
}

static void review_check_network(const CvmSpec *spec, CvmError *error)
{
        if (spec->network == SPEC_NETWORK_TAP)
                tap_check(spec->interface, NULL, error);
        else if (spec->network == SPEC_NETWORK_BRIDGE)
                tap_check(NULL, spec->interface, error);
}

int admission_check_tap(const Manager *manager, const Vm *vm, const CvmSpec *spec,
                        const WirePeer *peer, CvmError *error)
{
        const Vm *other;

        if (spec->network != SPEC_NETWORK_TAP)
                return 0;
        VM_TABLE_FOREACH_LIVE (other, &manager->home.table) {
                const char *its = json_member_string(other->spec, "network");

                if (other != vm && its &&
                    strcmp(its, json_member_string(vm->spec, "network") ?: "") == 0)
                        return cvm_error_no_resources(error, "tap", 1, 0,
                                                      holders_of(manager, peer, other));
        }
        return 0;
}

/* What a launch asks once its files are there (launch_render()). */
static int review_files(Manager *manager, const Admission *admission, const Loaded *loaded, Vm *vm,
                        HostCheckList *missing)
{
        static const AdmissionStep files = {
                .name = "files",
                .needed = "files and directories that this user may pass to a CVM"};
        static const AdmissionStep disk = {
                .name = "disk",
                .needed = "disks that no other CVM uses",
                .fix = "use a copy, or make the disk read-only for every CVM that uses it"};
        static const AdmissionStep tap = {.name = "tap", .needed = "a tap that no other CVM uses"};
        static const AdmissionStep network = {.name = "network",
                                              .needed = "an interface of the right kind"};
        _cleanup_(cvm_error_done) CvmError of_disks = {}, of_tap = {}, of_network = {};
        const CvmSpec *spec = admission->spec;
        int r;

        r = list_refusal(&files, &loaded->error, missing->n, missing);
        if (!cvm_error_is_set(&loaded->error)) /* else not all are open */
                reserve_disks(manager, vm, spec, loaded->disks, admission->peer, &of_disks);
        if (r == 0)
                r = list_refusal(&disk, &of_disks, missing->n, missing);
        admission_check_tap(manager, vm, spec, admission->peer, &of_tap);
        if (r == 0)
                r = list_refusal(&tap, &of_tap, missing->n, missing);
        if (r == 0 && !is_listed(missing, missing->n, "tap") &&
            !is_listed(missing, missing->n, "bridge")) {
                review_check_network(spec, &of_network);
                r = list_refusal(&network, &of_network, missing->n, missing);
        }
        return r;
}

int admission_review(Manager *manager, const Admission *admission, const Loaded *loaded,
                     HostCheckList *missing)
{
        const Cursors cursors = save_cursors(manager);
        _cleanup_(cvm_error_done) CvmError error = {};
        Vm *vm;
        int r;

        if (admission_vm_new(manager, admission, &vm, &error) < 0)
                return -ENOMEM;
        r = review_steps(manager, admission, vm, missing);
        if (r == 0)
                r = review_files(manager, admission, loaded, vm, missing);
        admission_vm_drop(vm);
        restore_cursors(manager, &cursors);
        return r;
}

static size_t prospect_forwards(const Manager *manager, const CvmSpec *spec, SpecForward *forwards)
{
        uint16_t port = (uint16_t)manager->home.config->port_first;
        size_t n = spec->n_forwards;

        for (size_t i = 0; i < n; i++) {
                forwards[i] = spec->forwards[i];
                if (!forwards[i].host_port)
                        forwards[i].host_port = port++;
        }
        if (!spec->forwards_given && spec_network_forwards(spec->network))
                forwards[n++] = (SpecForward){.address = (char *)"127.0.0.1",
                                              .host_port = port,
                                              .guest_port = SPEC_AGENT_PORT};
        return n;
}

void admission_prospect(const Manager *manager, const Template *template, const CvmSpec *spec,
                        uid_t owner, SpecForward *forwards, Allotment *ret)
{
        const Config *config = manager->home.config;
        bool vsock = spec->vsock || spec_svsm_has_vsock(spec) || template_needs_vsock(template);
        const DriverHome *driver = drivers_find(&manager->home.drivers, spec->driver);

        *ret = (Allotment){
                .template = template,
                .id = "00000000-0000-4000-8000-000000000000",
                .owner = owner,
                .uid = driver ? driver->uid : 0,
                .cpus = spec->cpus ?: config->cpus,
                .memory = spec->memory ?: config->memory,
                .forwards = forwards,
                .n_forwards = prospect_forwards(manager, spec, forwards),
                .vsock = vsock,
                .vsock_cid = !vsock ? 0 : spec->vsock_cid ?: config->cid_first,
                .notify_port = manager->notify_port,
                .cmdline = spec_cmdline(spec),
                .host = manager->host,
                .qemu = config_qemu(config, template_name(template), template_qemu(template)),
        };
}
