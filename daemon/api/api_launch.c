/* SPDX-License-Identifier: Apache-2.0 */

/* Launch and Render: from the same spec by the same steps, one makes the CVM, the other
 * shows it. */

#include <string.h>

#include "api/api.h"
#include "launch/admission.h"
#include "launch/inputs.h"
#include "launch/launch.h"
#include "launch/quota.h"
#include "local/request.h"
#include "manager/platform.h"
#include "vm/record.h"

#define TIMEOUT_SEC_MAX 86400

typedef struct LaunchParameters {
        json_object *spec;
        char *id, *wait;
        bool paused;
        uint32_t timeout_sec;
} LaunchParameters;

static const JsonField launch_fields[] = {
        {"spec", JSON_OBJECT, offsetof(LaunchParameters, spec), JSON_REQUIRED},
        {"id", JSON_STRING, offsetof(LaunchParameters, id)},
        {"wait", JSON_STRING, offsetof(LaunchParameters, wait)},
        {"paused", JSON_BOOL, offsetof(LaunchParameters, paused)},
        {"timeoutSec", JSON_UINT32, offsetof(LaunchParameters, timeout_sec), 0, 1, TIMEOUT_SEC_MAX},
        {},
};

static void launch_parameters_done(LaunchParameters *p)
{
        free(p->id);
        free(p->wait);
}

static int check_launch(const LaunchParameters *p, LaunchOptions *ret, CvmError *error)
{
        bool ready = p->wait && strcmp(p->wait, "ready") == 0;

        if (p->wait && !ready && strcmp(p->wait, "running") != 0)
                return cvm_error_invalid_parameter(error, "wait", "must be running or ready");
        if (ready && p->paused)
                return cvm_error_invalid_parameter(
                        error, "wait", "cannot be ready with paused: a paused guest sends nothing");
        if (p->id && !vm_id_is_valid(p->id))
                return cvm_error_invalid_parameter(error, "id", VM_ID_REQUIRED);
        *ret = (LaunchOptions){
                .paused = p->paused, .wait_ready = ready, .timeout_sec = p->timeout_sec};
        return 0;
}

/* Answers a Launch with the id of a CVM. Returns 0, 1 without an answer if the CVM is a kept
 * failure that is to be launched again, or -errno. digests: of the call's spec. */
static int launch_repeated(WireCall *call, const Vm *vm, const CvmSpec *spec, json_object *digests,
                           CvmError *error)
{
        const char *difference;

        /* not even an administrator may guess at another's secrets until nothing differs */
        if (wire_call_peer(call)->uid != vm->owner)
                return cvm_error_cvm_exists(error, vm->id, NULL, true);
        wire_call_concerns(call, vm->name, vm->id);
        if (vm->request)
                difference = request_difference(digests, vm->request);
        else /* version 0.1.0 has launched it, or it was launched without an id */
                difference = strcmp(spec->name, vm->name) == 0 ? NULL : "name";
        if (difference)
                return cvm_error_idempotency_mismatch(error, vm->id, difference);
        if (vm->kept && !vm_state_is_live(vm->state) && vm->request)
                return 1;
        record_reply(vm, call, json_build("cvm", vm_to_json(vm), NULL));
        return 0;
}

static void on_admitted(const WireCall *call, const Vm *vm)
{
        api_log_call(call, vm, "Launch");
}

static int launch(WireCall *call, const LaunchParameters *p, Manager *manager, CvmError *error)
{
        _cleanup_json_ json_object *digests = NULL;
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        const Template *template;
        LaunchOptions options;
        Vm *vm;
        int r;

        r = check_launch(p, &options, error);
        if (r < 0)
                return r;
        r = api_spec_take(call, &spec, &digests, error);
        if (r == 0 && manager->closing)
                return cvm_error_launch(error, "admitted", NULL, "the daemon is shutting down");
        if (r == 0 && digests && (r = request_seal(&manager->request_key, digests)) < 0)
                cvm_error_system(error, r, "compare the spec");
        if (r < 0)
                return r;
        vm = p->id ? vm_table_find_id(&manager->home.table, p->id) : NULL;
        if (vm && (r = launch_repeated(call, vm, spec, digests, error)) <= 0)
                return r;
        r = platform_choose(manager, spec, &template, error);
        if (r < 0)
                return r;
        options.admitted = on_admitted;
        options.id = p->id;
        options.request = digests;
        return launch_begin(manager, template, TAKE_PTR(spec), call, &options, error);
}

int api_launch(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        _cleanup_(launch_parameters_done) LaunchParameters p = {};
        int r = api_dispatch(parameters, launch_fields, &p, error);

        return r < 0 ? r : launch(call, &p, userdata, error);
}

typedef struct RenderOperation {
        WireCall *call; /* a reference */
        Manager *manager;
        const Template *template;
        CvmSpec *spec;
        SpecForward forwards[SPEC_FORWARDS_MAX];
        Allotment allotment; /* once spec and template are known */
        LoadJob *load;       /* borrowed */
} RenderOperation;

static void render_free(RenderOperation *operation)
{
        allotment_done(&operation->allotment);
        spec_free(operation->spec);
        wire_call_unref(operation->call);
        free(operation);
}

static int render(RenderOperation *operation, const Loaded *loaded, CvmError *error)
{
        _cleanup_(prepared_inputs_done) PreparedInputs prepared = {};
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        const Manager *manager = operation->manager;
        const CvmSpec *spec = operation->spec;
        const Admission admission = {spec, operation->template, NULL,
                                     wire_call_peer(operation->call), NULL};
        json_object *reply;
        int r;

        r = inputs_prepare(manager, spec, &operation->allotment, loaded, loaded->artifacts,
                           &prepared);
        if (r < 0)
                return cvm_error_system(error, r, "render");
        r = inputs_render(manager, &operation->allotment, &prepared, loaded, &plan, error);
        if (r < 0)
                return r;
        r = admission_review(operation->manager, &admission, loaded, &plan->missing);
        if (r < 0)
                return cvm_error_system(error, r, "render");
        reply = launch_plan_to_json(plan, &prepared.inputs);
        json_object_object_add(reply, "measurement",
                               json_object_get(loaded->measured.registers)
                                       ?: json_object_new_object());
        wire_call_reply(operation->call, reply);
        return 0;
}

static void on_render_loaded(Loaded *loaded, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        RenderOperation *operation = userdata;
        int r;

        wire_call_on_gone(operation->call, NULL, NULL); /* there is nothing to withdraw */
        if (operation->manager->closing)                /* perhaps nothing was loaded */
                r = cvm_error_system(&error, -ECANCELED, "render");
        else
                r = render(operation, loaded, &error);
        if (r < 0)
                wire_call_error(operation->call, &error);
        render_free(operation);
}

static void on_render_gone(WireCall *call, void *userdata)
{
        RenderOperation *operation = userdata;

        if (load_withdraw(operation->load))
                render_free(operation);
}

int api_render(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{"spec", JSON_OBJECT, 0, JSON_REQUIRED}, {}};
        Manager *manager = userdata;
        RenderOperation *operation;
        LoadSource source = {
                .turns = manager->turns,
                .store = manager->artifacts,
                .config = manager->home.config,
                .qemus = manager->qemus,
        };
        /* as a CVM's QEMU would see the shares */
        const IdMap map = {wire_call_peer(call)->uid, manager->home.config->uid_first,
                           wire_call_peer(call)->gid, manager->home.config->uid_first};
        json_object *spec = NULL;
        int r = api_dispatch(parameters, fields, &spec, error);

        if (r < 0)
                return r;
        source.map = manager->privileged ? &map : NULL;
        quota_bound_load(manager, wire_call_peer(call), &source);
        operation = calloc(1, sizeof(*operation));
        if (!operation)
                return cvm_error_system(error, -ENOMEM, "render");
        operation->call = wire_call_ref(call);
        operation->manager = manager;
        r = api_spec_take(call, &operation->spec, NULL, error);
        if (r == 0)
                r = platform_choose(manager, operation->spec, &operation->template, error);
        if (r == 0) {
                admission_prospect(manager, operation->template, operation->spec,
                                   wire_call_peer(call)->uid, operation->forwards,
                                   &operation->allotment);
                source.allotment = &operation->allotment;
        }
        if (r == 0)
                r = load_begin(&source, operation->spec, wire_call_peer(call), call,
                               on_render_loaded, operation, &operation->load, error);
        if (r < 0)
                render_free(operation);
        else
                wire_call_on_gone(call, on_render_gone, operation);
        return r;
}
