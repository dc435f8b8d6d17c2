/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "host/libvirt_calls.h"
#include "host/libvirt_probe.h"
#include "host/libxml_calls.h"

static bool libvirt_probe_holds(xmlXPathContext *context, const char *expression)
{
        xmlXPathObject *found = libxml->xmlXPathEvalExpression(BAD_CAST expression, context);
        bool result = found && found->type == XPATH_NODESET && found->nodesetval &&
                      found->nodesetval->nodeNr > 0;

        libxml->xmlXPathFreeObject(found);
        return result;
}

int libvirt_probe_parse(const char *xml, LibvirtFacts *ret)
{
        xmlXPathContext *context;
        const char *failure;
        xmlDoc *doc;
        /* formatdomaincaps of libvirt's documentation; before 10.5 sev had no list next to it */
#define VALUE(name, value) "/enum[@name='" name "']/value[.='" value "']"
        const struct {
                bool *fact;
                const char *expression;
        } all[] = {
                {&ret->passt,
                 "/domainCapabilities/devices/interface" VALUE("backendType", "passt")},
                {&ret->memfd, "/domainCapabilities/memoryBacking" VALUE("sourceType", "memfd")},
                {&ret->shares,
                 "/domainCapabilities/devices/filesystem" VALUE("driverType", "path")},
                {&ret->tpm, "/domainCapabilities/devices/tpm" VALUE("backendModel", "external")},
                {&ret->sev, "/domainCapabilities/features/sev[@supported='yes']"},
                {&ret->sev_snp,
                 "/domainCapabilities/features/launchSecurity" VALUE("sectype", "sev-snp")},
                {&ret->tdx, "/domainCapabilities/features/launchSecurity" VALUE("sectype", "tdx")},
        };
        int r;

        if (!libxml_calls_load(&failure))
                return -ENOSYS;
        doc = libxml->xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        context = doc ? libxml->xmlXPathNewContext(doc) : NULL;
        r = !doc ? -EBADMSG : !context ? -ENOMEM : 0;
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
                *all[i].fact = libvirt_probe_holds(context, all[i].expression);
        libxml->xmlXPathFreeContext(context);
        libxml->xmlFreeDoc(doc);
        return r;
}

static void libvirt_probe_ignore_error(void *userdata, virErrorPtr error)
{
}

int libvirt_probe(const char *uri, LibvirtFacts *ret, char **ret_reason)
{
        const char *failure;
        const LibvirtCalls *libvirt = libvirt_calls(&failure);
        virConnectPtr connection;
        LibvirtFacts facts = {};
        char *xml = NULL;
        int r = -EIO;

        if (!libvirt) {
                *ret_reason = strdup(failure);
                return -ENOSYS;
        }
        libvirt->virSetErrorFunc(NULL, libvirt_probe_ignore_error);
        /* domain capabilities are refused to those who may only read */
        connection = libvirt->virConnectOpen(uri);
        if (connection && libvirt->virConnectGetLibVersion(connection, &facts.version) == 0 &&
            (xml = libvirt->virConnectGetDomainCapabilities(connection, NULL, "x86_64", "q35", NULL,
                                                            0)))
                r = libvirt_probe_parse(xml, &facts);
        if (r == 0)
                *ret = facts;
        else
                *ret_reason = strdup(xml ? "its domain capabilities are not valid XML"
                                         : libvirt->virGetLastErrorMessage() ?: "it does not respond");
        free(xml);
        if (connection)
                libvirt->virConnectClose(connection);
        return r;
}
