/* SPDX-License-Identifier: Apache-2.0 */

/* org.varlink.service (https://varlink.org/Service): what every Varlink service says of itself. */

#include <string.h>

#include "wire/server_internal.h"

static const char description[] =
        "# What every Varlink service offers: who it is and which interfaces it has.\n"
        "interface org.varlink.service\n"
        "\n"
        "# Vendor, product, version and URL of the service, and the names of its interfaces.\n"
        "# interfaceVersions: of interfaces that have versions, by name; an addition to the "
        "Varlink\n"
        "# standard, and other services have none.\n"
        "method GetInfo() -> (\n"
        "  vendor: string,\n"
        "  product: string,\n"
        "  version: string,\n"
        "  url: string,\n"
        "  interfaces: []string,\n"
        "  interfaceVersions: ?[string]string\n"
        ")\n"
        "\n"
        "# The description of an interface, in the language of this text.\n"
        "method GetInterfaceDescription(interface: string) -> (description: string)\n"
        "\n"
        "# There is no such interface.\n"
        "error InterfaceNotFound (interface: string)\n"
        "# The interface has no such method.\n"
        "error MethodNotFound (method: string)\n"
        "# The method is described, but not implemented here.\n"
        "error MethodNotImplemented (method: string)\n"
        "# A parameter is missing, unknown, of a wrong type or out of range. `reason` says what "
        "it\n"
        "# must be; the field is an addition to the Varlink standard, and other services have "
        "none.\n"
        "error InvalidParameter (parameter: string, reason: ?string)\n"
        "# The client may not do this.\n"
        "error PermissionDenied ()\n"
        "# The method must be called with `more`.\n"
        "error ExpectedMore ()\n";

static int get_info(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        const WireServer *server = userdata;
        const WireServerInfo *info = server->info;
        json_object *interfaces = json_object_new_array(), *versions = NULL;

        json_object_array_add(interfaces, json_new_text(wire_service_interface.name));
        for (size_t i = 0; i < server->n_interfaces; i++) {
                const WireInterface *interface = &server->interfaces[i];

                json_object_array_add(interfaces, json_new_text(interface->name));
                if (!interface->version)
                        continue;
                versions = versions ?: json_object_new_object();
                json_object_object_add(versions, interface->name,
                                       json_new_text(interface->version));
        }
        wire_call_reply(call,
                        json_build("vendor", json_new_text(info->vendor), "product",
                                   json_new_text(info->product), "version",
                                   json_new_text(info->version), "url", json_new_text(info->url),
                                   "interfaces", interfaces, "interfaceVersions", versions, NULL));
        return 0;
}

static const char *find_description(const WireServer *server, const char *name)
{
        if (strcmp(name, wire_service_interface.name) == 0)
                return wire_service_interface.description;
        for (size_t i = 0; i < server->n_interfaces; i++)
                if (strcmp(name, server->interfaces[i].name) == 0)
                        return server->interfaces[i].description;
        return NULL;
}

static int get_interface_description(WireCall *call, json_object *parameters, void *userdata,
                                     CvmError *error)
{
        const char *name = json_member_string(parameters, "interface"), *text;

        if (!name)
                return cvm_error_invalid_parameter(error, "interface",
                                                   "must be the name of an interface");
        text = find_description(userdata, name);
        if (!text)
                return cvm_error_set(error, CVM_ERROR_INTERFACE_NOT_FOUND, -ENOSYS,
                                     json_build("interface", json_new_text(name), NULL));
        wire_call_reply(call, json_build("description", json_new_text(text), NULL));
        return 0;
}

const WireInterface wire_service_interface = {
        .name = "org.varlink.service",
        .description = description,
        .methods =
                (const WireMethod[]){
                        {"org.varlink.service.GetInfo", get_info},
                        {"org.varlink.service.GetInterfaceDescription", get_interface_description},
                        {},
                },
};
