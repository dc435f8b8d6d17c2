/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A libvirt domain from a platform's XML: a walk over its tree that makes another tree.
 *
 * Text is only ever the content of a node or of an attribute; what a spec says cannot become an
 * element. Attributes of DOMAIN_NAMESPACE are orders to the walk and do not go out.
 */

#include <stdio.h>
#include <string.h>

#include "template/domain.h"
#include "template/domain_internal.h"
#include "template/expression.h"

#define WHEN "when-"
#define ELSE "else-"

static int render_children(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to);

/* XML 1.0 has no way to write these: Char, section 2.2. */
static bool is_writable(const char *text)
{
        const unsigned char *p = (const unsigned char *)text;

        for (; *p; p++)
                if ((*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') ||
                    (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
                        return false;
        return text_is_utf8(text, strlen(text));
}

/* The text with its ${…} replaced. */
static int substitute(Walk *walk, const Frame *frame, const xmlChar *text, json_object **ret)
{
        _cleanup_json_ json_object *from = json_new_text((const char *)text ?: "");
        _cleanup_json_ json_object *value = NULL;
        int r;

        if (!from)
                return walk_no_memory(walk);
        r = expression_value(walk, frame, from, &value);
        if (r < 0)
                return r;
        if (json_object_is_type(value, json_type_array))
                return walk_fail(walk, "a list cannot be used in a text");
        if (!is_writable(json_object_get_string(value)))
                return walk_fail(walk, "XML cannot represent the value of '%s'", text);
        *ret = TAKE_PTR(value);
        return 0;
}

/* A condition as a template's `when` has it: a variable's name, or an object in JSON. */
static int condition(Walk *walk, const Frame *frame, const xmlChar *text, bool *ret)
{
        const char *s = (const char *)text ?: "";
        _cleanup_json_ json_object *object = NULL;

        if (*s != '{')
                object = json_new_text(s);
        else if (json_parse(s, strlen(s), &object, NULL) < 0)
                return walk_fail(walk, "'%s' is not a condition: not valid JSON", s);
        return object ? expression_condition(walk, frame, object, ret) : walk_no_memory(walk);
}

/* An order to the walk on this element, or NULL; for libxml->free_text(). */
static xmlChar *word(const xmlNode *node, const char *name)
{
        return libxml->xmlGetNsProp((xmlNode *)node, BAD_CAST name, BAD_CAST DOMAIN_NAMESPACE);
}

static xmlChar *attribute_word(const xmlNode *node, const char *prefix, const xmlChar *attribute)
{
        char name[128];

        snprintf(name, sizeof(name), "%s%s", prefix, (const char *)attribute);
        return word(node, name);
}

/* The namespace of a written node, declared where it is first needed. */
static xmlNs *carry_namespace(xmlNode *to, const xmlNs *ns)
{
        xmlNs *found = ns ? libxml->xmlSearchNsByHref(to->doc, to, ns->href) : NULL;

        return !ns || found ? found : libxml->xmlNewNs(to, ns->href, ns->prefix);
}

static int render_attribute(Walk *walk, const Frame *frame, const xmlNode *from,
                            const xmlAttr *attribute, xmlNode *to)
{
        xmlChar *when = attribute_word(from, WHEN, attribute->name);
        xmlChar *other = attribute_word(from, ELSE, attribute->name);
        xmlChar *text = libxml->xmlNodeListGetString(from->doc, attribute->children, 1);
        _cleanup_json_ json_object *value = NULL;
        bool wanted = true;
        int r = 0;

        if (when)
                r = condition(walk, frame, when, &wanted);
        else if (other)
                r = walk_fail(walk, "'" ELSE "%s' requires '" WHEN "%s' next to it",
                              attribute->name, attribute->name);
        if (when && walk->check)
                wanted = walk->check == WALK_CHECK_FULL;
        if (r == 0 && (wanted || other))
                r = substitute(walk, frame, wanted ? text : other, &value);
        if (r == 0 && value &&
            !libxml->xmlNewNsProp(to, carry_namespace(to, attribute->ns), attribute->name,
                                  BAD_CAST json_object_get_string(value)))
                r = walk_no_memory(walk);
        libxml->free_text(text);
        libxml->free_text(other);
        libxml->free_text(when);
        return r;
}

/* Whether an order is one that there is, and one for an attribute has its attribute. */
static int check_word(Walk *walk, const xmlNode *node, const char *name)
{
        bool each =
                libxml->xmlHasNsProp((xmlNode *)node, BAD_CAST "each", BAD_CAST DOMAIN_NAMESPACE);
        bool as = libxml->xmlHasNsProp((xmlNode *)node, BAD_CAST "as", BAD_CAST DOMAIN_NAMESPACE);

        if (strcmp(name, "when") == 0)
                return 0;
        if (strcmp(name, "each") == 0 || strcmp(name, "as") == 0)
                return each && as ? 0 : walk_fail(walk, "'each' and 'as' require each other");
        if ((strncmp(name, WHEN, strlen(WHEN)) == 0 || strncmp(name, ELSE, strlen(ELSE)) == 0) &&
            libxml->xmlHasNsProp((xmlNode *)node, BAD_CAST name + strlen(WHEN), NULL))
                return 0;
        return walk_fail(walk,
                         strncmp(name, WHEN, strlen(WHEN)) == 0 ||
                                         strncmp(name, ELSE, strlen(ELSE)) == 0
                                 ? "'%s' is for an attribute that does not exist"
                                 : "'%s' is not one of 'when', 'each', 'as', 'when-ATTRIBUTE', "
                                   "'else-ATTRIBUTE'",
                         name);
}

static int render_attributes(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        int r = 0;

        for (const xmlAttr *a = from->properties; r == 0 && a; a = a->next) {
                size_t before = walk_enter(walk, "@%s", (const char *)a->name);

                r = domain_is_word(a->ns) ? check_word(walk, from, (const char *)a->name)
                                          : render_attribute(walk, frame, from, a, to);
                if (r == 0)
                        walk_leave(walk, before);
        }
        return r;
}

static bool has_elements(const xmlNode *node)
{
        for (const xmlNode *child = node->children; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE)
                        return true;
        return false;
}

static int render_text(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        xmlChar *text = libxml->xmlNodeGetContent((xmlNode *)from);
        _cleanup_json_ json_object *value = NULL;
        xmlNode *node;
        int r;

        if (!text)
                return walk_no_memory(walk);
        r = *text ? substitute(walk, frame, text, &value) : 0;
        libxml->free_text(text);
        if (r < 0 || !value || !*json_object_get_string(value))
                return r;
        node = libxml->xmlNewDocText(to->doc, BAD_CAST json_object_get_string(value));
        if (!node)
                return walk_no_memory(walk);
        libxml->xmlAddChild(to, node);
        return 0;
}

/* An element as it goes out. `to` NULL: it becomes the root of doc. */
static int render_plain(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to,
                        xmlDoc *doc)
{
        xmlNode *node = libxml->xmlNewDocNode(doc, NULL, from->name, NULL);
        int r;

        if (!node)
                return walk_no_memory(walk);
        if (to)
                libxml->xmlAddChild(to, node);
        else
                libxml->xmlDocSetRootElement(doc, node);
        libxml->xmlSetNs(node, carry_namespace(node, from->ns));
        r = render_attributes(walk, frame, from, node);
        if (r < 0)
                return r;
        return has_elements(from) ? render_children(walk, frame, from, node)
                                  : render_text(walk, frame, from, node);
}

/* Goes on in the file of fragments, where names of the ground that includes are not seen. */
static int domain_render_include(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        xmlChar *name = libxml->xmlGetNoNsProp(from, BAD_CAST "fragment");
        const Document *outer_document = walk->document;
        const DomainFile *file = NULL;
        const xmlNode *fragment = NULL;
        unsigned depth = 0;
        int r;

        if (name)
                fragment = template_set_domain_fragment(walk->set, (const char *)name, &file);
        for (const Frame *f = frame; f; f = f->outer)
                depth += f->fragment != NULL;
        if (!name)
                r = walk_fail(walk, "'include' requires the name of a fragment as 'fragment'");
        else if (!fragment)
                r = walk_fail(walk, "unknown fragment '%s'", name);
        else if (depth >= RENDER_INCLUDES_MAX)
                r = walk_fail(walk, "fragments include each other too deep, or in a cycle");
        else {
                walk->document = file->document;
                r = render_children(walk, &(Frame){.outer = frame, .fragment = (const char *)name},
                                    fragment, to);
                if (r == 0)
                        walk->document = outer_document;
        }
        libxml->free_text(name);
        return r;
}

static int render_one(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        xmlChar *when = word(from, "when");
        bool wanted = true;
        int r = when ? condition(walk, frame, when, &wanted) : 0;

        libxml->free_text(when);
        if (r < 0 || (!wanted && !walk->check))
                return r;
        if (!domain_is_word(from->ns))
                return render_plain(walk, frame, from, to, to->doc);
        if (libxml->xmlStrEqual(from->name, BAD_CAST "include"))
                return domain_render_include(walk, frame, from, to);
        return walk_fail(walk, "unknown element '%s' in the namespace " DOMAIN_NAMESPACE,
                         from->name);
}

static int render_each(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        xmlChar *list_name = word(from, "each"), *as_name = word(from, "as");
        _cleanup_json_ json_object *each = NULL;
        json_object *list = NULL;
        const char *as;
        int r;

        if (!list_name && !as_name) {
                r = render_one(walk, frame, from, to);
        } else if (!list_name || !as_name) {
                r = check_word(walk, from, list_name ? "each" : "as");
        } else {
                each = json_build("each", json_new_text((const char *)list_name), "as",
                                  json_new_text((const char *)as_name), NULL);
                r = each ? expression_each(walk, frame, each, &list, &as) : walk_no_memory(walk);
        }
        for (size_t i = 0; r == 0 && list && i < json_object_array_length(list); i++) {
                _cleanup_json_ json_object *names =
                        json_build(as, json_object_get(json_object_array_get_idx(list, i)), NULL);

                r = names ? render_one(walk, &(Frame){.outer = frame, .names = names}, from, to)
                          : walk_no_memory(walk);
        }
        libxml->free_text(list_name);
        libxml->free_text(as_name);
        return r;
}

static int render_children(Walk *walk, const Frame *frame, const xmlNode *from, xmlNode *to)
{
        int r = 0;

        for (const xmlNode *child = from->children; r == 0 && child; child = child->next) {
                unsigned line = walk->line;
                size_t before;

                if (child->type != XML_ELEMENT_NODE)
                        continue;
                r = walk_step(walk);
                if (r < 0)
                        return r;
                walk->line = (unsigned)libxml->xmlGetLineNo(child);
                before = walk_enter(walk, "/%s", (const char *)child->name);
                r = render_each(walk, frame, child, to);
                if (r == 0) {
                        walk_leave(walk, before);
                        walk->line = line;
                }
        }
        return r;
}

static int write_domain(Walk *walk, xmlDoc *doc)
{
        xmlChar *text = NULL;
        int size = 0;

        libxml->xmlDocDumpFormatMemoryEnc(doc, &text, &size, "UTF-8", 1);
        if (!text)
                return walk_no_memory(walk);
        walk->plan->domain = strndup((const char *)text, (size_t)size);
        libxml->free_text(text);
        return walk->plan->domain ? walk_count(walk, (size_t)size) : walk_no_memory(walk);
}

int domain_render(Walk *walk, const DomainFile *file)
{
        const xmlNode *root = libxml->xmlDocGetRootElement(file->xml);
        const Document *document = walk->document;
        xmlDoc *doc = libxml->xmlNewDoc(BAD_CAST "1.0");
        size_t before;
        int r;

        if (!doc)
                return walk_no_memory(walk);
        walk->document = file->document;
        walk->line = (unsigned)libxml->xmlGetLineNo(root);
        before = walk_enter(walk, "%s", (const char *)root->name);
        r = render_plain(walk, NULL, root, NULL, doc);
        if (r == 0)
                r = write_domain(walk, doc);
        libxml->xmlFreeDoc(doc);
        if (r < 0)
                return r;
        walk_leave(walk, before);
        walk->document = document;
        walk->line = 0;
        return 0;
}
