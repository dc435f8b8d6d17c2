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

/* A network that is more than one word: the interface's name begins behind the prefix. */
static int parse_interface(const char *text, SpecNetwork network, CvmSpec *spec, CvmError *error)
{
        spec->network = network;
        if (!interface_is_valid(text))
                return fault_add(error, "network",
                                 "an interface's name must be 1 to %d letters, digits, '-', '_' "
                                 "and '.'",
                                 IF_NAMESIZE - 1);
        spec->interface = strdup(text);
        return spec->interface ? 0 : -ENOMEM;
}

int spec_parse_network(const char *text, CvmSpec *spec, CvmError *error)
{
        static const char *const names[] = {
                [SPEC_NETWORK_USER] = "user",         [SPEC_NETWORK_NONE] = "none",
                [SPEC_NETWORK_ISOLATED] = "isolated", [SPEC_NETWORK_PASST] = "passt",
                [SPEC_NETWORK_BRIDGE] = "bridge:",    [SPEC_NETWORK_TAP] = "tap:",
        };
        int network;

        if (text && strncmp(text, "bridge:", 7) == 0)
                return parse_interface(text + 7, SPEC_NETWORK_BRIDGE, spec, error);
        if (text && strncmp(text, "tap:", 4) == 0)
                return parse_interface(text + 4, SPEC_NETWORK_TAP, spec, error);
        network =
                spec_choose(text, names, ARRAY_SIZE(names), SPEC_NETWORK_USER, "", "network",
                            "must be user, isolated, passt, none, bridge:NAME or tap:NAME", error);
        spec->network = network < 0 ? SPEC_NETWORK_USER : (SpecNetwork)network;
        return 0;
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

/* An entry that is refused is kept with host port 0, which clashes with nothing. */
static int parse_forward(json_object *object, CvmSpec *spec, CvmError *error)
{
        _cleanup_(forward_input_done) ForwardInput input = {};
        SpecForward *forward = &spec->forwards[spec->n_forwards];
        char prefix[SPEC_FIELD_MAX], field[SPEC_FIELD_MAX];
        struct in_addr address;
        int protocol, r;

        spec_field_index(prefix, "forwards", spec->n_forwards++);
        r = spec_dispatch(object, forward_fields, &input, prefix, error);
        if (r < 0)
                return r;
        protocol = spec_choose(input.protocol, protocol_names, ARRAY_SIZE(protocol_names), SPEC_TCP,
                               prefix, "protocol", "must be tcp or udp", error);
        if (!input.address)
                input.address = strdup("127.0.0.1");
        if (!input.address)
                return -ENOMEM;
        forward->guest_port = (uint16_t)input.guest_port;
        forward->address = TAKE_PTR(input.address);
        if (inet_pton(AF_INET, forward->address, &address) != 1)
                return fault_add(error, spec_field(field, prefix, "address"),
                                 "must be an IPv4 address such as 127.0.0.1");
        if (protocol < 0)
                return 0;
        forward->protocol = (SpecProtocol)protocol;
        forward->host_port = (uint16_t)input.host_port;
        for (size_t i = 0; i + 1 < spec->n_forwards; i++)
                if (forwards_clash(spec->network, &spec->forwards[i], forward))
                        return fault_add(error, spec_field(field, prefix, "hostPort"),
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
                fault_add(error, "forwards",
                          "require network 'user', 'isolated' or 'passt'; on another network, use "
                          "the guest's own address");
        if (n > SPEC_FORWARDS_MAX)
                return fault_add(error, "forwards", "has %zu entries; at most %d are allowed", n,
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
