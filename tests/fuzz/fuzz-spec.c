/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Specs: what spec_parse() accepts has an environment file that reads back as the same variables,
 * and a redacted form that is a spec again; what it refuses has a field, a reason and a message.
 */

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/json.h"
#include "fuzz.h"
#include "spec/spec.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_refusal(const CvmError *error)
{
        _cleanup_free_ char *message = cvm_error_message(error);
        const char *field = json_member_string(error->fields, "field");
        const char *reason = json_member_string(error->fields, "reason");
        json_object *errors = json_member(error->fields, "errors"), *first;

        require(error->id == CVM_ERROR_INVALID_SPEC);
        require(field && *field && strlen(field) < 400 && reason && *reason && message);
        require(json_object_array_length(errors) ==
                (error->faults <= FAULTS_MAX ? error->faults : (size_t)FAULTS_MAX + 1));
        first = json_object_array_get_idx(errors, 0);
        require(strcmp(json_member_string(first, "field"), field) == 0 &&
                strcmp(json_member_string(first, "reason"), reason) == 0);
}

/* Reads the file by the rules of systemd.exec(5). */
static void check_environment(const CvmSpec *spec)
{
        _cleanup_free_ char *text = NULL;
        const char *p;
        size_t size;

        require(spec_environment_file(spec, &text, &size) == 0 && strlen(text) == size);
        p = text;
        for (size_t i = 0; i < spec->n_env; i++) {
                const SpecEnv *env = &spec->env[i];
                size_t length = strlen(env->name);

                require(strncmp(p, env->name, length) == 0);
                p += length;
                require(strncmp(p, "=\"", 2) == 0);
                p += 2;
                for (const char *value = env->value; *value; value++) {
                        if (*p == '\\')
                                p++;
                        else
                                require(!strchr("\"`$\n", *p));
                        require(*p++ == *value);
                }
                require(strncmp(p, "\"\n", 2) == 0);
                p += 2;
        }
        require(p == text + size);
}

static void check_redacted(const CvmSpec *spec)
{
        _cleanup_json_ json_object *object = spec_to_json_redacted(spec), *parsed = NULL,
                                   *again = NULL;
        _cleanup_(spec_freep) CvmSpec *second = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const char *text = json_text(object);

        require(json_parse(text, strlen(text), &parsed, NULL) == 0);
        require(spec_parse(parsed, &second, &error) == 0);
        again = spec_to_json_redacted(second);
        require(strcmp(json_text(again), text) == 0);
        for (size_t i = 0; i < second->n_env; i++)
                require(!*second->env[i].value);
        for (size_t i = 0; i < second->n_certs; i++)
                require(second->certs[i].size == 0);
}

/* What a record keeps is a spec without values; what clients are shown has no descriptor. */
static void check_given(const CvmSpec *spec)
{
        _cleanup_json_ json_object *again = spec_given_again(spec->given, NULL),
                                   *shown = spec_given_show(spec->given, NULL, NULL);
        _cleanup_(spec_freep) CvmSpec *second = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        require(spec_parse(again, &second, &error) == 0);
        require(json_object_equal(second->given, spec->given));
        for (size_t i = 0; i < second->n_env; i++)
                require(!*second->env[i].value);
        for (size_t i = 0; i < second->n_certs; i++)
                require(second->certs[i].size == 0);
        require(shown && !strstr(json_text(shown), "\"fd\":"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        if (json_parse((const char *)data, size, &object, NULL) < 0)
                return 0;
        if (spec_parse(object, &spec, &error) < 0) {
                check_refusal(&error);
                return 0;
        }
        check_environment(spec);
        check_redacted(spec);
        check_given(spec);
        return 0;
}
