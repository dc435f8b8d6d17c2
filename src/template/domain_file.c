/* SPDX-License-Identifier: Apache-2.0 */

/* XML files of templates: parsed before anything is substituted, and refused for whatever in them
 * is more than elements, attributes and text. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "template/domain_internal.h"

static int domain_file_refuse(const char *name, const Document *document, unsigned line,
                              const char *reason, CvmError *error)
{
        return cvm_error_template(error, name, "%s:%u: %s", document->label, line ?: 1, reason);
}

static int domain_file_parse(DomainFile *file, const char *text, size_t size, CvmError *error)
{
        xmlParserCtxt *context = libxml->xmlNewParserCtxt();
        _cleanup_free_ char *message = NULL;
        const xmlError *problem;
        int r = 0;

        if (!context)
                return cvm_error_system(error, -ENOMEM, "read template %s", file->name);
        file->xml = libxml->xmlCtxtReadMemory(context, text, (int)size, NULL, "UTF-8",
                                              XML_PARSE_NONET | XML_PARSE_NOERROR |
                                                      XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES |
                                                      XML_PARSE_NOCDATA);
        if (!file->xml) {
                problem = libxml->xmlCtxtGetLastError(context);
                message = strdup(problem && problem->message ? problem->message : "no XML");
                if (message)
                        message[strcspn(message, "\n")] = 0;
                r = domain_file_refuse(file->name, file->document,
                                       problem ? (unsigned)problem->line : 1, message ?: "no XML",
                                       error);
        }
        libxml->xmlFreeParserCtxt(context);
        return r;
}

/* The first node that is neither element, text nor comment, or is text next to elements. */
static const xmlNode *find_foreign(const xmlNode *node, unsigned depth, const char **ret_reason)
{
        bool elements = false;

        if (depth > DOMAIN_DEPTH_MAX) {
                *ret_reason = "elements are nested too deep";
                return node;
        }
        for (const xmlNode *child = node->children; child; child = child->next)
                elements = elements || child->type == XML_ELEMENT_NODE;
        for (const xmlNode *child = node->children; child; child = child->next) {
                const xmlNode *found = NULL;

                if (child->type == XML_ELEMENT_NODE) {
                        found = find_foreign(child, depth + 1, ret_reason);
                } else if (child->type == XML_TEXT_NODE) {
                        if (elements && !libxml->xmlIsBlankNode(child)) {
                                *ret_reason = "text cannot stand next to elements";
                                found = child;
                        }
                } else if (child->type != XML_COMMENT_NODE) {
                        *ret_reason =
                                "only elements, attributes, text and comments are allowed here";
                        found = child;
                }
                if (found)
                        return found;
        }
        return NULL;
}

static int domain_file_check(DomainFile *file, CvmError *error)
{
        const xmlDoc *doc = file->xml;
        const xmlNode *root = libxml->xmlDocGetRootElement(doc), *foreign;
        bool fragments = strcmp(file->name, DOMAIN_FRAGMENTS) == 0;
        const char *reason = NULL;

        if (doc->intSubset)
                return domain_file_refuse(file->name, file->document, 1, "a DTD is not allowed",
                                          error);
        foreign = find_foreign(root, 0, &reason);
        if (foreign)
                return domain_file_refuse(file->name, file->document,
                                          (unsigned)libxml->xmlGetLineNo(foreign), reason, error);
        if (fragments ? domain_is_word(root->ns) &&
                                libxml->xmlStrEqual(root->name, BAD_CAST "fragments")
                      : !root->ns && libxml->xmlStrEqual(root->name, BAD_CAST "domain"))
                return 0;
        return domain_file_refuse(
                file->name, file->document, (unsigned)libxml->xmlGetLineNo(root),
                fragments ? "its root must be 'fragments' in the namespace " DOMAIN_NAMESPACE
                          : "its root must be 'domain', without a namespace",
                error);
}

static int read_xml(DomainFile *file, const char *text, size_t size, CvmError *error)
{
        const char *failure;
        int r;

        if (!libxml_calls_load(&failure))
                return domain_file_refuse(file->name, file->document, 1, failure, error);
        r = domain_file_parse(file, text, size, error);
        if (r == 0)
                r = domain_file_check(file, error);
        if (r < 0 && file->xml) {
                libxml->xmlFreeDoc(file->xml);
                file->xml = NULL;
        }
        return r;
}

bool domain_is_word(const xmlNs *ns)
{
        return ns && libxml->xmlStrEqual(ns->href, BAD_CAST DOMAIN_NAMESPACE);
}

bool domain_is_built(void)
{
        return true;
}

int domain_file_new(const char *name, const char *path, const char *text, size_t size,
                    DomainFile **ret, CvmError *error)
{
        _cleanup_(domain_file_freep) DomainFile *file = calloc(1, sizeof(*file));
        int r = 0;

        if (file && (file->document = calloc(1, sizeof(*file->document)))) {
                file->name = strdup(name);
                if (path)
                        file->document->label = strdup(path);
                else
                        file->document->label = text_format("built-in %s.xml", name);
        }
        if (!file || !file->document || !file->name || !file->document->label)
                return cvm_error_system(error, -ENOMEM, "read template %s", name);
        if (path)
                r = read_xml(file, text, size, error);
        else
                file->text = text;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(file);
        return 0;
}

int domain_file_load(DomainFile *file, CvmError *error)
{
        return file->xml ? 0 : read_xml(file, file->text, strlen(file->text), error);
}

DomainFile *domain_file_free(DomainFile *file)
{
        if (!file)
                return NULL;
        free(file->name);
        document_free(file->document);
        if (file->xml)
                libxml->xmlFreeDoc(file->xml);
        free(file);
        return NULL;
}

const void *domain_file_fragment(const DomainFile *file, const char *name)
{
        const xmlNode *root = libxml->xmlDocGetRootElement(file->xml);

        for (const xmlNode *child = root->children; child; child = child->next) {
                xmlChar *found;
                bool same;

                if (child->type != XML_ELEMENT_NODE)
                        continue;
                found = libxml->xmlGetNoNsProp(child, BAD_CAST "name");
                same = libxml->xmlStrEqual(found, BAD_CAST name);
                libxml->free_text(found);
                if (same)
                        return child;
        }
        return NULL;
}

/* The element of that name, without a namespace; or NULL. */
static const xmlNode *child_of(const xmlNode *parent, const char *name)
{
        for (const xmlNode *child = parent->children; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE && !child->ns &&
                    libxml->xmlStrEqual(child->name, BAD_CAST name))
                        return child;
        return NULL;
}

LibvirtNeeds domain_file_needs(const DomainFile *file)
{
        const xmlNode *root = libxml->xmlDocGetRootElement(file->xml);
        const xmlNode *security = child_of(root, "launchSecurity");
        const xmlNode *devices = child_of(root, "devices");
        LibvirtNeeds needs = {.tpm = devices && child_of(devices, "tpm")};
        xmlChar *type = security ? libxml->xmlGetNoNsProp(security, BAD_CAST "type") : NULL;

        if (type)
                snprintf(needs.security, sizeof(needs.security), "%s", (const char *)type);
        libxml->free_text(type);
        return needs;
}

const char *domain_file_name(const DomainFile *file)
{
        return file->name;
}

const char *domain_file_label(const DomainFile *file)
{
        return file->document->label;
}
