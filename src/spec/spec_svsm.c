/* SPDX-License-Identifier: Apache-2.0 */
/* What an SVSM requires of the host in addition to its guest. */
#include "spec/spec.h"

#include <string.h>

#include "spec/spec_internal.h"

#define PROTOCOL_DEFAULT "kbs"
#define PROTOCOL_MAX 32u
#define URL_MAX 1024u

typedef struct Input {
        bool log;
        json_object *attestation; /* borrowed */
        char *url, *protocol, *transport;
} Input;

static const JsonField fields[] = {
        {"log", JSON_BOOL, offsetof(Input, log)},
        {"attestation", JSON_OBJECT, offsetof(Input, attestation)},
        {},
};

static const JsonField attestation_fields[] = {
        {"url", JSON_STRING, offsetof(Input, url), JSON_REQUIRED},
        {"protocol", JSON_STRING, offsetof(Input, protocol)},
        {"transport", JSON_STRING, offsetof(Input, transport)},
        {},
};

static const char *const transport_names[] = {
        [SPEC_SVSM_SERIAL] = "serial",
        [SPEC_SVSM_VSOCK] = "vsock",
};

static void spec_svsm_input_done(Input *input)
{
        free(input->url);
        free(input->protocol);
        free(input->transport);
}

/* It becomes an argument of a program's: what all users of the host can read in ps. */
static int check_url(const char *url, CvmError *error)
{
        static const char field[] = "svsm.attestation.url";
        const char *rest = strncmp(url, "http://", 7) == 0    ? url + 7
                           : strncmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;
        size_t host = rest ? strcspn(rest, "/?#") : 0;

        if (!host || strlen(url) > URL_MAX)
                return fault_add(error, field,
                                 "must be http://HOST[:PORT][/PATH] or the same with https, at "
                                 "most %u bytes long",
                                 URL_MAX);
        for (const char *p = url; *p; p++)
                if (*p <= 0x20 || *p > 0x7e)
                        return fault_add(error, field, "must be printable ASCII without spaces");
        if (memchr(rest, '@', host))
                return fault_add(error, field,
                                 "must not contain a user name or password, because all users of "
                                 "the host can see it");
        return 0;
}

static bool protocol_is_valid(const char *protocol)
{
        size_t length = strlen(protocol);

        return length >= 1 && length <= PROTOCOL_MAX && protocol[0] != '-' &&
               strspn(protocol, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static int spec_svsm_parse_attestation(Input *input, CvmSpec *spec, CvmError *error)
{
        static const char prefix[] = "svsm.attestation";
        int transport,
                r = spec_dispatch(input->attestation, attestation_fields, input, prefix, error);

        if (r < 0)
                return r;
        if (input->url)
                check_url(input->url, error);
        transport = spec_choose(input->transport, transport_names, ARRAY_SIZE(transport_names),
                                SPEC_SVSM_SERIAL, prefix, "transport",
                                "must be 'serial' or 'vsock'", error);
        if (!input->protocol && !(input->protocol = strdup(PROTOCOL_DEFAULT)))
                return -ENOMEM;
        if (!protocol_is_valid(input->protocol))
                fault_add(error, "svsm.attestation.protocol",
                          "must be 1 to %u lowercase letters, digits and '-'", PROTOCOL_MAX);
        if (spec->vsock && transport == SPEC_SVSM_VSOCK)
                fault_add(error, "vsock",
                          "a CVM has one CID, which svsm.attestation.transport assigns to the "
                          "SVSM");
        spec->svsm.transport = transport < 0 ? SPEC_SVSM_SERIAL : (SpecSvsmTransport)transport;
        spec->svsm.url = TAKE_PTR(input->url);
        spec->svsm.protocol = TAKE_PTR(input->protocol);
        return 0;
}

int spec_parse_svsm(json_object *object, CvmSpec *spec, CvmError *error)
{
        _cleanup_(spec_svsm_input_done) Input input = {};
        int r;

        if (!object)
                return 0;
        spec->svsm.given = true;
        r = spec_dispatch(object, fields, &input, "svsm", error);
        spec->svsm.log = input.log;
        return r < 0 || !input.attestation ? r : spec_svsm_parse_attestation(&input, spec, error);
}

json_object *spec_svsm_to_json(const SpecSvsm *svsm)
{
        json_object *object, *attestation;

        if (!svsm->given)
                return NULL;
        object = json_build("log", svsm->log ? json_object_new_boolean(true) : NULL, NULL);
        if (!svsm->url)
                return object;
        attestation = json_build("url", json_new_text(svsm->url), "protocol",
                                 json_new_text(svsm->protocol), "transport",
                                 json_object_new_string(transport_names[svsm->transport]), NULL);
        json_object_object_add(object, "attestation", attestation);
        return object;
}

size_t spec_svsm_disk(const CvmSpec *spec)
{
        for (size_t i = 0; i < spec->n_disks; i++)
                if (spec->disks[i].bus == SPEC_DISK_SVSM)
                        return i;
        return SIZE_MAX;
}

bool spec_svsm_has_vsock(const CvmSpec *spec)
{
        return spec->svsm.url && spec->svsm.transport == SPEC_SVSM_VSOCK;
}

bool spec_svsm_has_devices(const CvmSpec *spec)
{
        return spec_svsm_disk(spec) != SIZE_MAX || spec_svsm_has_vsock(spec);
}
