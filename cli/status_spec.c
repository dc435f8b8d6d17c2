/* SPDX-License-Identifier: Apache-2.0 */
#include "status_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "moment.h"
#include "output.h"
#include "paragraph.h"

#define ENV_PREFIX "env." /* of names in the spec's `missing` */

void status_spec_line(const char *title, const char *text)
{
        printf("%*s: ", STATUS_TITLE_WIDTH, title);
        if (output_width(stdout))
                paragraph_print(stdout, text ?: "-", STATUS_TITLE_WIDTH + 2,
                                STATUS_TITLE_WIDTH + 2);
        else
                printf("%s\n", text ?: "-");
}

void status_spec_member(json_object *object, const char *title, const char *key)
{
        _cleanup_free_ char *text = output_member(object, key);

        if (json_member(object, key))
                status_spec_line(title, text);
}

void status_spec_time(json_object *object, const char *title, const char *key)
{
        _cleanup_free_ char *text = moment_full(json_member_int(object, key, 0));

        if (json_member(object, key))
                status_spec_line(title, text);
}

/* Adds text to a line, after ", " if something is there. */
static int status_spec_append(Buffer *line, const char *text)
{
        return buffer_appendf(line, "%s%s", line->size ? ", " : "", text);
}

/* "key value, key value" of an object's members but for `but`, whose value comes first, alone. */
static void status_spec_object(const char *title, json_object *object, const char *first)
{
        _cleanup_(buffer_done) Buffer line = {};
        _cleanup_free_ char *head = output_member(object, first ?: "");
        int r = first && json_member(object, first) ? status_spec_append(&line, head ?: "-") : 0;

        if (!json_object_is_type(object, json_type_object))
                return;
        json_object_object_foreach (object, key, value) {
                _cleanup_free_ char *text = output_member(object, key);
                _cleanup_free_ char *name = text_escape_control(key), *both = NULL;

                if (!value || (first && strcmp(key, first) == 0))
                        continue;
                both = text_format("%s %s", name ?: "-", text ?: "-");
                r = r ?: both ? status_spec_append(&line, both) : -ENOMEM;
        }
        if (r == 0 && line.size)
                status_spec_line(title, line.data);
}

/* A line for each object of an array. */
static void status_spec_array(json_object *spec, const char *title, const char *key,
                              const char *first)
{
        json_object *array = json_member(spec, key);

        for (size_t i = 0;
             json_object_is_type(array, json_type_array) && i < json_object_array_length(array);
             i++)
                status_spec_object(title, json_object_array_get_idx(array, i), first);
}

/* "TOKEN, DATABASE_URL": the variables, of which the spec has only the names. */
static void status_spec_environment(json_object *spec)
{
        json_object *missing = json_member(spec, "missing");
        _cleanup_(buffer_done) Buffer line = {};
        int r = 0;

        for (size_t i = 0;
             json_object_is_type(missing, json_type_array) && i < json_object_array_length(missing);
             i++) {
                const char *name = json_object_get_string(json_object_array_get_idx(missing, i));
                _cleanup_free_ char *safe = NULL;

                if (!name || strncmp(name, ENV_PREFIX, strlen(ENV_PREFIX)) != 0)
                        continue;
                safe = text_escape_control(name + strlen(ENV_PREFIX));
                r = r ?: status_spec_append(&line, safe ?: "-");
        }
        if (r == 0 && line.size)
                status_spec_line("Environment", line.data);
}

/* "tls.key, tls.crt": the names of the files. */
static void status_spec_certificates(json_object *spec)
{
        json_object *certs = json_member(spec, "certs");
        _cleanup_(buffer_done) Buffer line = {};
        int r = 0;

        if (!json_object_is_type(certs, json_type_object))
                return;
        json_object_object_foreach (certs, name, ignored) {
                _cleanup_free_ char *safe = text_escape_control(name);

                (void)ignored;
                r = r ?: status_spec_append(&line, safe ?: "-");
        }
        if (r == 0 && line.size)
                status_spec_line("Certificates", line.data);
}

static void status_spec_gpus(json_object *spec)
{
        json_object *gpus = json_member(spec, "gpus");

        for (size_t i = 0;
             json_object_is_type(gpus, json_type_array) && i < json_object_array_length(gpus);
             i++) {
                _cleanup_free_ char *safe = text_escape_control(
                        json_object_get_string(json_object_array_get_idx(gpus, i)) ?: "-");

                status_spec_line("GPU", safe);
        }
}

void status_spec_print(json_object *spec)
{
        static const struct {
                const char *title, *key, *first;
        } objects[] = {
                {"Kernel", "kernel", "path"},
                {"Initramfs", "initramfs", "path"},
                {"Firmware", "firmware", "path"},
                {"IGVM", "igvm", "path"},
                {"Restart", "restart", "policy"},
                {"Limits", "limits", NULL},
                {"Timeouts", "timeouts", NULL},
                {"SVSM", "svsm", NULL},
                {"Launch security", "launchSecurity", NULL},
        };

        _cleanup_free_ char *lifetime = NULL;

        if (!spec)
                return;
        if (json_member(spec, "ttlSec"))
                lifetime = text_format("%" PRId64 " s", json_member_int(spec, "ttlSec", 0));
        status_spec_member(spec, "Command line", "cmdline");
        for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
                status_spec_object(objects[i].title, json_member(spec, objects[i].key),
                                   objects[i].first);
        if (!json_member(spec, "restart"))
                status_spec_line("Restart", "no");
        status_spec_environment(spec);
        status_spec_certificates(spec);
        status_spec_array(spec, "Share", "shares", "tag");
        status_spec_array(spec, "Disk", "disks", "path");
        status_spec_gpus(spec);
        status_spec_line("Network", json_member_string(spec, "network") ?: "user");
        status_spec_member(spec, "Remove", "remove");
        if (lifetime)
                status_spec_line("Lifetime", lifetime);
        status_spec_member(spec, "Bind workload", "bindWorkload");
        if (json_member_bool(spec, "confidential", false))
                status_spec_line("Required", "a confidential platform");
}
