/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The methods of io.cvmd.Manager, one handler each; userdata is the Manager. api_methods.c holds
 * the table, api.c what the handlers share. */

#include "base/json.h"
#include "manager/manager.h"
#include "wire/server.h"

extern const WireInterface api_interface;

/* api_host.c */
void api_describe_host(WireCall *call, json_object *parameters, void *userdata);
/* api_launch.c */
void api_launch(WireCall *call, json_object *parameters, void *userdata);
void api_render(WireCall *call, json_object *parameters, void *userdata);
/* api_spec.c: the parameter `spec` of a call, parsed before its handler (WirePrepare) and wiped. */
void *api_spec_prepare(json_object *parameters);
void api_spec_free(void *data);
/* Returns 0, or -errno with the error set. Once, and only where the parameter is an object.
 * *ret_digests: request_digest() of the spec of a call that has an id, else NULL; ret_digests may
 * be NULL. */
int api_spec_take(WireCall *call, CvmSpec **ret, json_object **ret_digests, CvmError *error);
/* api_life.c */
void api_stop(WireCall *call, json_object *parameters, void *userdata);
void api_pause(WireCall *call, json_object *parameters, void *userdata);
void api_resume(WireCall *call, json_object *parameters, void *userdata);
void api_remove(WireCall *call, json_object *parameters, void *userdata);
/* api_measure.c */
void api_measure(WireCall *call, json_object *parameters, void *userdata);
/* api_list.c */
void api_status(WireCall *call, json_object *parameters, void *userdata);
void api_list(WireCall *call, json_object *parameters, void *userdata);
void api_list_templates(WireCall *call, json_object *parameters, void *userdata);
void api_list_artifacts(WireCall *call, json_object *parameters, void *userdata);
/* api_wait.c */
void api_wait(WireCall *call, json_object *parameters, void *userdata);
/* api_watch.c, api_logs.c, api_console.c */
void api_watch(WireCall *call, json_object *parameters, void *userdata);
void api_logs(WireCall *call, json_object *parameters, void *userdata);
void api_console(WireCall *call, json_object *parameters, void *userdata);

/* Takes parameters apart by the table; on failure the call is answered with InvalidParameter. */
bool api_dispatch(WireCall *call, json_object *parameters, const JsonField *fields, void *target);
/* The CVM that a call is about: by name, by id, or by both, which then must be the same one's. */
typedef struct ApiTarget {
        char *name, *id; /* owned; NULL: not given */
} ApiTarget;

#define API_TARGET_FIELDS(type, member)                                                            \
        {"name", JSON_STRING, offsetof(type, member.name)},                                        \
        {                                                                                          \
                "id", JSON_STRING, offsetof(type, member.id)                                       \
        }

void api_target_done(ApiTarget *target);
/* For the methods that take nothing else: the CVM, or NULL with the call answered. */
Vm *api_named(WireCall *call, json_object *parameters, Manager *manager);
/* Answers with NoSuchCvm unless the peer may see this CVM. */
Vm *api_find(WireCall *call, const ApiTarget *target, Manager *manager);
/* Logs that the peer called a method that changes the CVM. */
void api_log_call(const WireCall *call, const Vm *vm, const char *method);
/* The same for a stop, before it: only the first one, and the first with force, so that who repeats
 * it does not fill the log. */
void api_log_stop(const WireCall *call, Vm *vm, const char *method, bool force);
/* Answers with WrongState. */
void api_wrong_state(WireCall *call, const Vm *vm, const char *const *allowed);
