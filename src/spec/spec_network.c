/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to the guest: network, forwards, vsock. */
#include "spec/spec.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>

#include "spec/spec_internal.h"

typedef struct ForwardInput {
        char *address, *protocol;
        uint32_t host_port, guest_port;
} ForwardInput;

static const JsonField forward_fields[] = {
        {"address", JSON_STRING, offsetof(ForwardInput, address)},
        {"hostPort", JSON_UINT32, offsetof(ForwardInput, host_port), 0, 0, UINT16_MAX},
        {"guestPort", JSON_UINT32, offsetof(ForwardInput, guest_port), JSON_REQUIRED, 1,
         UINT16_MAX},
        {"protocol", JSON_STRING, offsetof(ForwardInput, protocol)},
        {},
};

/* 0 to 2 and VMADDR_CID_ANY are special, vsock(7). */
static const JsonField vsock_fields[] = {
        {"cid", JSON_UINT32, offsetof(CvmSpec, vsock_cid), 0, 3, UINT32_MAX - 1},
        {},
};

static const char *const protocol_names[] = {
        [SPEC_TCP] = "tcp",
        [SPEC_UDP] = "udp",
};

const char *spec_protocol_name(SpecProtocol protocol)
{
        return protocol_names[protocol];
}

static void forward_input_done(ForwardInput *input)
{
        free(input->address);
        free(input->protocol);
}

static bool interface_is_valid(const char *name)
{
        static const char allowed[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
        size_t length = strlen(name);

        return length >= 1 && length < IF_NAMESIZE && strspn(name, allowed) == length &&
               strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int spec_parse_network(const char *text, CvmSpec *spec, CvmError *error)
{
        const char *interface;

        if (!text || strcmp(text, "user") == 0) {
                spec->network = SPEC_NETWORK_USER;
                return 0;
        }
        if (strcmp(text, "none") == 0) {
                spec->network = SPEC_NETWORK_NONE;
                return 0;
        }
        if (strcmp(text, "isolated") == 0) {
                spec->network = SPEC_NETWORK_ISOLATED;
                return 0;
        }
        if (strcmp(text, "passt") == 0) {
                spec->network = SPEC_NETWORK_PASST;
                return 0;
        }
        if (strncmp(text, "bridge:", 7) == 0) {
                spec->network = SPEC_NETWORK_BRIDGE;
                interface = text + 7;
        } else if (strncmp(text, "tap:", 4) == 0) {
                spec->network = SPEC_NETWORK_TAP;
                interface = text + 4;
        } else {
                return cvm_error_invalid_spec(error, "network",
                                              "must be user, isolated, passt, none, "
                                              "bridge:NAME or tap:NAME");
        }
        if (!interface_is_valid(interface))
                return cvm_error_invalid_spec(error, "network",
                                              "an interface's name must be 1 to %d letters, "
                                              "digits, '-', '_' and '.'",
                                              IF_NAMESIZE - 1);
        spec->interface = strdup(interface);
        return spec->interface ? 0 : -ENOMEM;
}

static int parse_protocol(const char *text, const char *field, SpecProtocol *ret, CvmError *error)
{
        *ret = SPEC_TCP;
        if (!text)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(protocol_names); i++)
                if (strcmp(text, protocol_names[i]) == 0) {
                        *ret = (SpecProtocol)i;
                        return 0;
                }
        return cvm_error_invalid_spec(error, field, "must be tcp or udp");
}

/* Whether both cannot be bound at once: the same port on one address, or on one and on all. passt
 * leads a port of all its addresses to one port of the guest. */
static bool forwards_clash(SpecNetwork network, const SpecForward *a, const SpecForward *b)
{
        static const char any[] = "0.0.0.0";

        if (!a->host_port || a->host_port != b->host_port || a->protocol != b->protocol)
                return false;
        return network == SPEC_NETWORK_PASST || strcmp(a->address, b->address) == 0 ||
               strcmp(a->address, any) == 0 || strcmp(b->address, any) == 0;
}

bool spec_network_forwards(SpecNetwork network)
{
        return network == SPEC_NETWORK_USER || network == SPEC_NETWORK_ISOLATED ||
               network == SPEC_NETWORK_PASST;
}

static int parse_forward(json_object *object, CvmSpec *spec, CvmError *error)
{
        _cleanup_(forward_input_done) ForwardInput input = {};
        SpecForward *forward = &spec->forwards[spec->n_forwards];
        char prefix[SPEC_FIELD_MAX], field[SPEC_FIELD_MAX];
        struct in_addr address;
        int r;

        spec_field_index(prefix, "forwards", spec->n_forwards);
        r = spec_dispatch(object, forward_fields, &input, prefix, error);
        if (r < 0)
                return r;
        if (!input.address)
                input.address = strdup("127.0.0.1");
        if (!input.address)
                return -ENOMEM;
        if (inet_pton(AF_INET, input.address, &address) != 1)
                return cvm_error_invalid_spec(error, spec_field(field, prefix, "address"),
                                              "must be an IPv4 address such as 127.0.0.1");
        r = parse_protocol(input.protocol, spec_field(field, prefix, "protocol"),
                           &forward->protocol, error);
        if (r < 0)
                return r;
        forward->host_port = (uint16_t)input.host_port;
        forward->guest_port = (uint16_t)input.guest_port;
        forward->address = TAKE_PTR(input.address);
        spec->n_forwards++;

        for (size_t i = 0; i + 1 < spec->n_forwards; i++)
                if (forwards_clash(spec->network, &spec->forwards[i], forward))
                        return cvm_error_invalid_spec(
                                error, spec_field(field, prefix, "hostPort"),
                                "%s port %d of %s is already used by forwards[%zu]",
                                protocol_names[forward->protocol], forward->host_port,
                                forward->address, i);
        return 0;
}

int spec_parse_forwards(json_object *array, CvmSpec *spec, CvmError *error)
{
        size_t n = array ? json_object_array_length(array) : 0;

        spec->forwards_given = array;
        if (n == 0)
                return 0;
        if (!spec_network_forwards(spec->network))
                return cvm_error_invalid_spec(error, "forwards",
                                              "require network 'user', 'isolated' or 'passt'; on "
                                              "another network, use the guest's own address");
        if (n > SPEC_FORWARDS_MAX)
                return cvm_error_invalid_spec(error, "forwards",
                                              "has %zu entries; at most %d are allowed", n,
                                              SPEC_FORWARDS_MAX);
        spec->forwards = calloc(n, sizeof(*spec->forwards));
        if (!spec->forwards)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = parse_forward(json_object_array_get_idx(array, i), spec, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

int spec_parse_vsock(json_object *object, CvmSpec *spec, CvmError *error)
{
        spec->vsock = object;
        return object ? spec_dispatch(object, vsock_fields, spec, "vsock", error) : 0;
}
