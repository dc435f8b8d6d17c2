/* SPDX-License-Identifier: Apache-2.0 */

/* What is there: CVMs, host, templates, artifacts. Nothing here changes anything. */

#include <string.h>

#include "api/api.h"
#include "api/filter.h"
#include "manager/platform.h"

/* Of a reply of a List with `more`: CVMs, and the bytes of CVMs with specs above which it has no
 * other one. */
#define LIST_PAGE 64
#define LIST_PAGE_BYTES (256u << 10)

typedef struct StatusParameters {
        ApiTarget target;
        bool spec;
} StatusParameters;

static void status_parameters_done(StatusParameters *p)
{
        api_target_done(&p->target);
}

int api_status(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(StatusParameters, target),
                {"withSpec", JSON_BOOL, offsetof(StatusParameters, spec)},
                {},
        };
        _cleanup_(status_parameters_done) StatusParameters p = {};
        json_object *cvm;
        Vm *vm;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = api_find(call, &p.target, userdata, &vm, error);
        if (r < 0)
                return r;
        cvm = p.spec ? vm_to_json_with_spec(vm) : vm_to_json(vm);
        if (!cvm)
                return cvm_error_system(error, -ENOMEM, "show the spec");
        wire_call_reply(call, json_build("cvm", cvm, NULL));
        return 0;
}

typedef struct ListParameters {
        Filter filter;
        bool spec;
} ListParameters;

static void list_parameters_done(ListParameters *p)
{
        filter_done(&p->filter);
}

/* A List with `more`: a page after the other, as fast as the client reads. Where it is is a name,
 * because CVMs come and go between two pages. */
typedef struct Listing {
        WireCall *call; /* a reference */
        const Manager *manager;
        Filter filter;
        bool spec;        /* CVMs come with theirs */
        char *last;       /* the name of the last CVM that was looked at; NULL: none was */
        int64_t sequence; /* of the first event after the call */
} Listing;

static void listing_free(Listing *listing)
{
        wire_call_unref(listing->call);
        filter_done(&listing->filter);
        free(listing->last);
        free(listing);
}

static bool list_wants(const Manager *manager, const WirePeer *peer, const Filter *filter,
                       const Vm *vm)
{
        return manager_may_see(manager, peer, vm->owner) && filter_matches_vm(filter, vm);
}

/* Adds a CVM with its spec; returns the bytes that it will take. */
static size_t list_add_with_spec(const Vm *vm, json_object *cvms)
{
        size_t length = 0;
        json_object *cvm = json_to_text(vm_to_json_with_spec(vm), &length);

        if (cvm)
                json_object_array_add(cvms, cvm);
        return length;
}

/* Adds a page of CVMs from an index of the table on; returns the index after the last. */
static size_t list_fill_page(const Listing *listing, size_t from, json_object *cvms)
{
        const VmTable *table = &listing->manager->home.table;
        size_t bytes = 0;

        while (from < table->n && json_object_array_length(cvms) < LIST_PAGE &&
               bytes < LIST_PAGE_BYTES) {
                const Vm *vm = table->vms[from++];

                if (!list_wants(listing->manager, wire_call_peer(listing->call), &listing->filter,
                                vm))
                        continue;
                if (listing->spec)
                        bytes += list_add_with_spec(vm, cvms);
                else
                        json_object_array_add(cvms, vm_to_json(vm));
        }
        return from;
}

static json_object *list_reply(const Manager *manager, json_object *cvms, int64_t sequence)
{
        return json_build("cvms", cvms, "sequence", json_object_new_int64(sequence), "boot",
                          json_object_new_string(manager->home.boot_id), NULL);
}

static void on_listing_gone(WireCall *call, void *userdata)
{
        wire_call_reply(call, NULL); /* every call has an end */
        listing_free(userdata);
}

static void list_send(Listing *listing);

static void on_listing_drained(WireCall *call, void *userdata)
{
        list_send(userdata);
}

/* Notes where the next page begins. */
static int list_note_last(Listing *listing, size_t next)
{
        char *last = strdup(listing->manager->home.table.vms[next - 1]->name);

        if (!last)
                return -ENOMEM;
        free(listing->last);
        listing->last = last;
        return 0;
}

static void list_send(Listing *listing)
{
        const VmTable *table = &listing->manager->home.table;
        _cleanup_(cvm_error_done) CvmError error = {};

        while (!wire_call_is_congested(listing->call)) {
                json_object *cvms = json_object_new_array();
                size_t next = list_fill_page(listing, vm_table_after(table, listing->last), cvms);

                if (next >= table->n) {
                        wire_call_on_gone(listing->call, NULL, NULL);
                        wire_call_reply(listing->call,
                                        list_reply(listing->manager, cvms, listing->sequence));
                        listing_free(listing);
                        return;
                }
                wire_call_continue(listing->call,
                                   list_reply(listing->manager, cvms, listing->sequence));
                if (list_note_last(listing, next) < 0) {
                        wire_call_on_gone(listing->call, NULL, NULL);
                        cvm_error_system(&error, -ENOMEM, "list");
                        wire_call_error(listing->call, &error);
                        listing_free(listing);
                        return;
                }
        }
        wire_call_on_drained(listing->call, on_listing_drained, listing);
}

/* Takes the filter. */
static int list_pages(WireCall *call, const Manager *manager, ListParameters *p, CvmError *error)
{
        Listing *listing = calloc(1, sizeof(*listing));

        if (!listing)
                return cvm_error_system(error, -ENOMEM, "list");
        *listing = (Listing){wire_call_ref(call),
                             manager,
                             p->filter,
                             p->spec,
                             NULL,
                             events_next_sequence(manager->home.events)};
        p->filter = (Filter){};
        wire_call_on_gone(call, on_listing_gone, listing);
        list_send(listing);
        return 0;
}

int api_list(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                FILTER_FIELDS(ListParameters, filter),
                {"withSpec", JSON_BOOL, offsetof(ListParameters, spec)},
                {},
        };
        _cleanup_(list_parameters_done) ListParameters p = {.filter = FILTER_ANY};
        const Manager *manager = userdata;
        json_object *cvms;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = filter_check(&p.filter, error);
        if (r < 0)
                return r;
        if (wire_call_wants_more(call))
                return list_pages(call, manager, &p, error);
        if (p.spec)
                return cvm_error_set(error, CVM_ERROR_EXPECTED_MORE, -EINVAL, NULL);
        cvms = json_object_new_array();
        for (size_t i = 0; i < manager->home.table.n; i++) {
                const Vm *vm = manager->home.table.vms[i];

                if (list_wants(manager, wire_call_peer(call), &p.filter, vm))
                        json_object_array_add(cvms, vm_to_json(vm));
        }
        wire_call_reply(call,
                        list_reply(manager, cvms, events_next_sequence(manager->home.events)));
        return 0;
}

int api_list_templates(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{}};
        const Manager *manager = userdata;
        json_object *templates;
        int r = api_dispatch(parameters, fields, NULL, error);

        if (r < 0)
                return r;
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
        return 0;
}

/* How many CVMs that the peer may see use it now. Equal bytes are one artifact, and a file's name
 * is its owner's affair: *ret_name is what one of these CVMs calls it, or NULL. */
static size_t count_users(const Manager *manager, const WirePeer *peer, json_object *artifact,
                          const char **ret_name)
{
        const char *sha256 = json_member_string(artifact, "sha256");
        const char *kind = json_member_string(artifact, "kind");
        const Vm *vm;
        size_t n = 0;

        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table)
                for (size_t k = 0; k < _ARTIFACT_KIND_MAX; k++) {
                        if (!vm->boot.artifacts[k] || !vm->boot.sha256[k] ||
                            strcmp(spec_artifact_kind_name(k), kind) != 0 ||
                            strcmp(vm->boot.sha256[k], sha256) != 0 ||
                            !manager_may_see(manager, peer, vm->owner))
                                continue;
                        if (n++ == 0)
                                *ret_name = vm->boot.names[k];
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

int api_list_artifacts(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{}};
        const Manager *manager = userdata;
        int r = api_dispatch(parameters, fields, NULL, error);

        if (r < 0)
                return r;
        wire_call_reply(call, json_build("artifacts",
                                         visible_artifacts(manager, wire_call_peer(call)), NULL));
        return 0;
}
