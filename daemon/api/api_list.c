/* SPDX-License-Identifier: Apache-2.0 */

/* What is there: CVMs, host, templates, artifacts. Nothing here changes anything. */

#include <string.h>

#include "api/api.h"
#include "manager/platform.h"

void api_status(WireCall *call, json_object *parameters, void *userdata)
{
        Vm *vm = api_named(call, parameters, userdata);

        if (vm)
                wire_call_reply(call, json_build("cvm", vm_to_json(vm), NULL));
}

typedef struct ListParameters {
        char *state, *platform;
} ListParameters;

static void list_parameters_done(ListParameters *p)
{
        free(p->state);
        free(p->platform);
}

void api_list(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {
                {"state", JSON_STRING, offsetof(ListParameters, state)},
                {"platform", JSON_STRING, offsetof(ListParameters, platform)},
                {},
        };
        _cleanup_(list_parameters_done) ListParameters p = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        const Manager *manager = userdata;
        VmState state = _VM_STATE_MAX;
        json_object *cvms;

        if (!api_dispatch(call, parameters, fields, &p))
                return;
        if (p.state && vm_state_parse(p.state, &state) < 0) {
                cvm_error_invalid_parameter(&error, "state");
                wire_call_error(call, &error);
                return;
        }
        cvms = json_object_new_array();
        for (size_t i = 0; i < manager->home.table.n; i++) {
                const Vm *vm = manager->home.table.vms[i];

                if (!manager_may_see(manager, wire_call_peer(call), vm->owner) ||
                    (p.state && vm->state != state) ||
                    (p.platform && strcmp(vm->platform, p.platform) != 0))
                        continue;
                json_object_array_add(cvms, vm_to_json(vm));
        }
        wire_call_reply(call, json_build("cvms", cvms, NULL));
}

void api_list_templates(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {{}};
        const Manager *manager = userdata;
        json_object *templates;

        if (!api_dispatch(call, parameters, fields, NULL))
                return;
        templates = json_object_new_array();
        for (size_t i = 0; i < template_set_size(manager->templates); i++) {
                const Template *t = template_set_get(manager->templates, i);

                json_object_array_add(
                        templates,
                        json_build("name", json_object_new_string(template_name(t)), "description",
                                   json_object_new_string(template_description(t)), "confidential",
                                   json_object_new_boolean(template_is_confidential(t)), "strength",
                                   json_object_new_int64(template_strength(t)), "origin",
                                   json_new_text(template_origin(t)), "available",
                                   json_object_new_boolean(platform_is_available(manager, t)),
                                   NULL));
        }
        wire_call_reply(call, json_build("templates", templates, NULL));
}

/* How many CVMs that the peer may see use it now. Equal bytes are one artifact, and a file's name
 * is its owner's affair: *ret_name is what one of these CVMs calls it, or NULL. */
static size_t count_users(const Manager *manager, const WirePeer *peer, json_object *artifact,
                          const char **ret_name)
{
        const char *sha256 = json_member_string(artifact, "sha256");
        const char *kind = json_member_string(artifact, "kind");
        size_t n = 0;

        for (size_t i = 0; i < manager->home.table.n; i++) {
                const Vm *vm = manager->home.table.vms[i];

                for (size_t k = 0; k < _ARTIFACT_KIND_MAX; k++) {
                        if (!vm->boot.artifacts[k] || !vm->boot.sha256[k] ||
                            strcmp(spec_artifact_kind_name(k), kind) != 0 ||
                            strcmp(vm->boot.sha256[k], sha256) != 0 ||
                            !manager_may_see(manager, peer, vm->owner))
                                continue;
                        if (n++ == 0)
                                *ret_name = vm->boot.names[k];
                }
        }
        return n;
}

/* Files of other users' CVMs are their own affair. */
static json_object *visible_artifacts(const Manager *manager, const WirePeer *peer)
{
        _cleanup_json_ json_object *all = artifact_store_to_json(manager->artifacts);
        json_object *visible = json_object_new_array();

        for (size_t i = 0; all && i < json_object_array_length(all); i++) {
                json_object *artifact = json_object_array_get_idx(all, i);
                bool is_file = strcmp(json_member_string(artifact, "origin"), "file") == 0;
                const char *name = NULL;
                size_t users = count_users(manager, peer, artifact, &name);

                if (!users && is_file && !manager_is_admin(manager, peer))
                        continue;
                if (is_file && name)
                        json_object_object_add(artifact, "name", json_new_text(name));
                json_object_object_add(artifact, "users", json_object_new_int64((int64_t)users));
                json_object_array_add(visible, json_object_get(artifact));
        }
        return visible;
}

void api_list_artifacts(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {{}};
        const Manager *manager = userdata;

        if (api_dispatch(call, parameters, fields, NULL))
                wire_call_reply(call,
                                json_build("artifacts",
                                           visible_artifacts(manager, wire_call_peer(call)), NULL));
}
